import { classificationReport } from '@drf/metrics';
import { hostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import {
  answerSentences,
  answersOf,
  answerWarnings,
  cellWords,
  changeSentences,
  contestSentences,
  lossSentences,
  standingSentences,
  type Answers,
  type ClassAnswers,
} from './words.js';

const answers = (
  classes: readonly (readonly [name: string, support: number, predicted: number, right: number])[],
  { split = 'test', confidence = null }: Partial<Omit<Answers, 'classes'>> = {},
): Answers => ({
  split,
  confidence,
  classes: classes.map(([name, support, predicted, right]): ClassAnswers => ({ name, support, predicted, right })),
});

describe('answerSentences', () => {
  it('say how good, against one answer for all, how sure, and what is worst', () => {
    // Wilson's interval of 96 of 120: 72.0 to 86.2 %. Only the model is right on 52, only "always positive" on 10.
    const made = answers([['positive', 54, 58, 44], ['neutral', 20, 22, 12], ['negative', 46, 40, 40]], { confidence: 0.91 }); // prettier-ignore
    expect(answerSentences(made)).toEqual([
      'The model is right on 96 of 120 test posts, 80 %; the true value lies between 72 and 86 % with 95 % confidence.',
      'Always answering positive, the most frequent class, would be right on 54 of them (45 %): the model is better by 35 points, more than chance explains.',
      'It is too sure of itself: 91 % sure on average, where it is right on 80 %.',
      'It is worst at neutral: 12 of its 20 posts are found, and 12 of the 22 times that it is the answer are right (F1 57 %).',
    ]);
    expect(answerSentences({ ...made, confidence: 0.8 })[2]).toBe(
      'It is 80 % sure on average, which fits how often it is right.',
    );
    expect(answerSentences({ ...made, confidence: 0.6 })[2]).toBe(
      'It is less sure than it could be: 60 % sure on average, where it is right on 80 %.',
    );
  });

  it('call a lead what may be chance, and no lead none', () => {
    const few = answers([['a', 6, 5, 5], ['b', 4, 5, 3]], { split: 'val', confidence: 0.7 }); // prettier-ignore
    expect(answerSentences(few).slice(0, 3)).toEqual([
      'The model is right on 8 of 10 validation posts, 80 %; the true value lies between 49 and 94 % with 95 % confidence.',
      'Always answering a, the most frequent class, would be right on 6 of them (60 %): the model is better by 20 points, which may be chance.',
      'It is 70 % sure on average, which fits how often it is right, as far as 10 posts can tell.',
    ]);
    const equal = answers([['a', 3, 3, 2], ['b', 3, 3, 1]]); // prettier-ignore
    expect(answerSentences(equal)[1]).toBe(
      'Always answering a, one of the most frequent classes, would be right on 3 of them (50 %): the model is no better.',
    );
    const worse = answers([['a', 90, 10, 10], ['b', 10, 90, 10]]); // prettier-ignore
    expect(answerSentences(worse)[1]).toBe(
      'Always answering a, the most frequent class, would be right on 90 of them (90 %): the model is worse by 70 points, more than chance explains.',
    );
  });

  it('keep singular and plural apart, and say when a class is never found', () => {
    const one = answers([['a', 1, 1, 1], ['b', 0, 0, 0]]); // prettier-ignore
    expect(answerSentences({ ...one, confidence: 0.5 })).toEqual([
      'The model is right on 1 of 1 test post, 100 %; the true value lies between 21 and 100 % with 95 % confidence.',
      'All of them are of one class, a: this does not show whether it can tell classes apart.',
      'It is 50 % sure on average, which fits how often it is right, as far as 1 post can tell.',
      'No test posts are of b: no score counts it.',
    ]);
    const never = answers([['a', 12, 13, 12], ['b', 1, 0, 0]], { split: 'dev' }); // prettier-ignore
    expect(answerSentences(never)[0]).toMatch(/^The model is right on 12 of 13 posts of split dev, 92 %/);
    expect(answerSentences(never).at(-1)).toBe(
      'It is worst at b: none of its one post is found, and it is never the answer (F1 0 %); so few posts may mislead.',
    );
  });

  it('name ties together, and many classes only in part', () => {
    const tied = answers([['a', 20, 20, 18], ['b', 20, 20, 10], ['c', 20, 20, 10]]); // prettier-ignore
    expect(answerSentences(tied).at(-1)).toBe('It is worst at b and c (F1 50 % each).');
    const alike = answers([['a', 20, 20, 10], ['b', 20, 20, 10]]); // prettier-ignore
    expect(answerSentences(alike).at(-1)).toBe('It is equally good at all classes (F1 50 %).');
    const empty = answers([['a', 9, 9, 9], ['b', 9, 9, 9], ...['c', 'd', 'e', 'f', 'g'].map((name) => [name, 0, 0, 0] as const)]); // prettier-ignore
    expect(answerSentences(empty).at(-1)).toBe('No test posts are of c, d, e or 2 more: no score counts them.');
  });

  it('say nothing of no posts', () => {
    const none = answers([['a', 0, 0, 0]]);
    expect(answerSentences(none)).toEqual(['There are no test posts: nothing can be said of how good the model is.']);
    expect(answerWarnings(none)).toEqual([]);
  });

  it('take counts and confidence from a report', () => {
    const probabilities = hostTensor(Float32Array.from([0.9, 0.1, 0.6, 0.4, 0.3, 0.7]), [3, 2]);
    const { classes, confidence } = answersOf('test', classificationReport([0, 1, 1], probabilities, ['a', 'b']));
    expect(classes).toEqual([
      { name: 'a', support: 1, predicted: 2, right: 1 },
      { name: 'b', support: 2, predicted: 1, right: 1 },
    ]);
    expect(confidence).toBeCloseTo((0.9 + 0.6 + 0.7) / 3, 6);
  });
});

describe('changeSentences', () => {
  it('tell losses that are more than chance from the others', () => {
    const changes = [
      { what: 'image corrupted', lost: 16, gained: 2 },
      { what: 'image missing', lost: 3, gained: 2 },
      { what: 'text corrupted', lost: 4, gained: 4 },
      { what: 'text missing', lost: 30, gained: 2 },
    ];
    expect(changeSentences(changes, 120)).toEqual([
      'It loses 12 points when the image is corrupted and 23 points when the text is missing.',
      'What else changes is no more than chance explains: image missing (−1 point) and text corrupted (no change).',
    ]);
  });

  it('say that nothing is more than chance, and name what helps', () => {
    const two = [
      { what: 'image missing', lost: 1, gained: 0 },
      { what: 'text missing', lost: 0, gained: 2 },
    ];
    expect(changeSentences(two, 20)).toEqual([
      'No disruption changes its accuracy by more than chance explains on so few posts: image missing (−5 points) and text missing (+10 points).',
    ]);
    expect(changeSentences([{ what: 'text missing', lost: 0, gained: 20 }], 2000)).toEqual([
      'It gains 1.0 points when the text is missing.',
    ]);
    expect(changeSentences([], 20)).toEqual(['What corrupted and missing images and texts cost was not evaluated.']);
    expect(changeSentences([], 0)).toEqual([]);
  });
});

describe('changeSentences of random disruptions', () => {
  it('name the share of posts', () => {
    const what = cellWords('random:0.6:C');
    expect(changeSentences([{ what, lost: 30, gained: 0 }], 300)).toEqual(['It loses 10 points when image or text of 60 % of the posts is corrupted.']); // prettier-ignore
  });
});

describe('lossSentences', () => {
  const reason = (name: 'missing label' | 'bad row' | 'undecodable image', count: number) => ({ reason: name, count, ids: [], rows: [] }); // prettier-ignore
  const ledger = { source: 'posts.csv', notes: [] };

  it('say what was left out of the data, and what only while encoding', () => {
    const reasons = [reason('missing label', 2), reason('bad row', 5), reason('undecodable image', 1)];
    expect(lossSentences({ ...ledger, rows: 128, kept: 120, dropped: 8, undecoded: 1, reasons })).toEqual([
      'Of 128 rows of the data 120 were used; 8 were left out: 5 cannot be understood, 2 have no label and 1 has an image that cannot be decoded; 1 of them was left out only while encoding.',
    ]);
    expect(lossSentences({ ...ledger, rows: 3, kept: 2, dropped: 1, reasons: [reason('missing label', 1)] })).toEqual([
      'Of 3 rows of the data 2 were used; 1 was left out: 1 has no label.',
    ]);
    expect(lossSentences({ ...ledger, rows: 3, kept: 3, dropped: 0, reasons: [] })).toEqual([
      'All 3 rows of the data were used.',
    ]);
  });
});

describe('answerWarnings', () => {
  it('warn of few posts, and of posts that training saw', () => {
    const of = (split: string, posts: number) => answerWarnings(answers([['a', posts, posts, posts]], { split }));
    expect(of('test', 20)).toEqual(['Only 20 test posts: each is 5 points of accuracy, and small differences mean nothing.']); // prettier-ignore
    expect(of('test', 100)).toEqual([]);
    expect(of('train', 200)).toEqual(['The model was trained on these very posts: it will do worse on others.']);
    expect(of('val', 200)[0]).toMatch(/^The best epoch was chosen by these very posts/);
  });
});

describe('contestSentences', () => {
  const contest = { first: 'drf', second: 'mvan', on: 'the mean over 42 disrupted cells', seeds: 5 };
  it('say better only where it was found, and else that it may be chance', () => {
    const better = { ...contest, difference: 0.021, interval: { low: 0.005, high: 0.036 }, verdict: 'better' } as const;
    const open = { ...contest, difference: -0.004, interval: { low: -0.02, high: 0.012 }, verdict: null };
    expect(contestSentences([better, open], ['better', null, null])).toEqual([
      'On the mean over 42 disrupted cells, drf is better than mvan by 2.1 points (95 % interval +0.5 to +3.6).',
      'On the mean over 42 disrupted cells, drf cannot be told from mvan (−0.4 points, 95 % interval −2.0 to +1.2): this may be chance.',
      'In 3 comparisons of single cells, drf is better in 1, worse in 0, and 2 are undecided.',
    ]);
    expect(
      contestSentences(
        [
          { ...open, seeds: 1, difference: 0 },
          { ...open, seeds: 1, second: 'hsan' },
        ],
        [],
      ),
    ).toEqual([
      'On the mean over 42 disrupted cells, drf cannot be told from mvan (0.0 points, 95 % interval −2.0 to +1.2) or hsan (−0.4 points, 95 % interval −2.0 to +1.2): one seed is too few to say.',
    ]);
  });
});

describe('standingSentences', () => {
  it('name what is right most often, ties together', () => {
    const standings = [
      { name: 'drf', intact: 0.701, disrupted: 0.654 },
      { name: 'mvan', intact: 0.7011, disrupted: null },
    ];
    expect(standingSentences(standings)).toEqual([
      'On intact posts, drf and mvan are right most often: on 70.1 %.',
      'On posts of which one modality is corrupted or missing, drf is right on 65.4 %.',
    ]);
    expect(standingSentences([])).toEqual([]);
  });
});

describe('cellWords', () => {
  it('name disruptions in words', () => {
    expect(['clean', 'none', 'fixed:image:C', 'fixed:text:D', 'fixed:text:C+D', 'random:0.6:C', 'random:1:C+D:independent', './blur.ts:0.4', 'Means', 'C+D', 'fixed:text:typos@2', 'random:0.4:jpeg', 'missing:image=0.3:text=0.1', 'missing:image=0'].map(cellWords)).toEqual([
      'intact posts',
      'intact posts',
      'image corrupted',
      'text missing',
      'text corrupted or missing',
      '60 % of posts: image or text corrupted',
      '100 % of posts: image or text corrupted or missing',
      './blur.ts:0.4',
      'Means',
      'corrupted or missing',
      'text corrupted by typos of severity 2',
      '40 % of posts: image corrupted by jpeg of any severity',
      'image missing in 30 %, text missing in 10 % of posts',
      'intact posts',
    ]); // prettier-ignore
  });
});
