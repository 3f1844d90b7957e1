import type { Random } from '@drf/tensor';

/** Truth and answers of random posts. */
export interface Answers {
  readonly labels: Int32Array;
  /** Right in about two of three cases. */
  readonly answers: Int32Array;
  /** [posts, classes], the answer's the largest of each row. */
  readonly probabilities: Float32Array;
}

/** Random answers to random posts, of two classes or more. */
export function randomAnswers(random: Random, posts: number, classes: number): Answers {
  const labels = Int32Array.from({ length: posts }, () => random.integer(classes));
  const answers = labels.map((label) => (random.uniform() < 2 / 3 ? label : random.integer(classes)));
  const probabilities = new Float32Array(posts * classes).fill(0.4 / (classes - 1));
  answers.forEach((answer, post) => (probabilities[post * classes + answer] = 0.6));
  return { labels, answers, probabilities };
}
