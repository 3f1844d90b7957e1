// A data set of one's own: pnpm train quickstart --dataset.name ./my-dataset.ts --dataset.options posts=60
import { z } from 'zod';
import type { DatasetDefinition, OwnPost } from '@drf/datasets';

const options = z.strictObject({ posts: z.int().min(10).default(100).describe('how many posts are made') });

const MOODS = [
  { label: 'glad', words: ['bright morning', 'lovely walk', 'best cake ever'], color: [255, 209, 102] },
  { label: 'sad', words: ['rain again', 'missed the train', 'cold coffee'], color: [69, 123, 157] },
];

/** Anything that yields posts will do: a file, a database, an answer of a server. */
function* makePosts(count: number): Generator<OwnPost> {
  for (let i = 0; i < count; i++) {
    const { label, words, color } = MOODS[i % 2]!;
    const data = Uint8Array.from({ length: 32 * 32 * 3 }, (_, at) => color[at % 3]!); // or the path of an image file
    yield { id: `post-${i}`, label, text: words[i % words.length]!, image: { width: 32, height: 32, data } };
  }
}

export default {
  name: 'my-dataset',
  options,
  create: ({ posts }) => ({ classes: ['glad', 'sad'], posts: makePosts(posts) }),
} satisfies DatasetDefinition<typeof options>;
