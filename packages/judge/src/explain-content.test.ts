import { ConfigurationError, DataError, type RgbImage } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import {
  explainContent as explain,
  largestChange,
  placeOf,
  pointsOf,
  strengthOf,
  strongestPlaces,
  textParts,
  type ExplainingJudge,
} from './explain-content.js';
import type { Judgment, PostContent } from './judgment.js';

const IMAGE: RgbImage = { width: 4, height: 4, data: new Uint8Array(48).fill(100) };

/** Log odds of "good" as a sum over words, and over the pixels that are white, so that every change is known. */
function additiveJudge(words: Readonly<Record<string, number>>): ExplainingJudge & { readonly asked: PostContent[] } {
  const asked: PostContent[] = [];
  const judge = async (post: PostContent): Promise<Judgment> => {
    asked.push(post);
    let sum = 0;
    for (const [word, weight] of Object.entries(words)) if (post.text?.includes(word) === true) sum += weight;
    for (let i = 0; i < (post.image?.data.length ?? 0); i += 3) if (post.image?.data[i] === 255) sum += 0.5;
    const good = 1 / (1 + Math.exp(-sum));
    return {
      label: good >= 0.5 ? 'good' : 'bad',
      probabilities: { good, bad: 1 - good },
      quality: { image: null, text: null },
      logDensity: { image: null, text: null },
      intact: { image: null, text: null },
      pairWeights: null,
      recovered: null,
      unfamiliar: null,
    };
  };
  return { info: { maskToken: '[MASK]' }, judge, asked };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Gray, with one white pixel at a place. */
function withWhitePixel(x: number, y: number): RgbImage {
  const data = Uint8Array.from(IMAGE.data);
  data.set([255, 255, 255], 3 * (4 * y + x));
  return { ...IMAGE, data };
}

describe('explain', () => {
  it('gives each word what it adds, in log odds and in probability', async () => {
    const judge = additiveJudge({ lovely: 2, rain: -1 });
    const { label, words, notes } = await explain(judge, { text: 'A lovely day, in rain', image: null });
    expect(label).toBe('good');
    const changes = Object.fromEntries(words.map(({ word, change }) => [word, change]));
    expect(Object.keys(changes)).toEqual(['A', 'lovely', 'day', ',', 'in', 'rain']);
    expect(changes['lovely']?.logOdds).toBeCloseTo(2, 9);
    expect(changes['rain']?.logOdds).toBeCloseTo(-1, 9);
    expect(changes['lovely']?.probability).toBeCloseTo(sigmoid(1) - sigmoid(-1), 9);
    expect(changes['day']).toEqual({ probability: 0, logOdds: 0 });
    expect(notes).toHaveLength(1);
  });

  it('gives each region what its pixels add, and says where it lies', async () => {
    const judge = additiveJudge({});
    const image = withWhitePixel(3, 0); // top right
    const { regions, words, modalities } = await explain(judge, { text: null, image }, { grid: [2, 2], label: 'good' });
    expect(words).toEqual([]);
    expect(modalities).toEqual({ image: null, text: null }); // the image is all there is
    expect(regions.map(({ left, top, right, bottom }) => [left, top, right, bottom])).toEqual([
      [0, 0, 0.5, 0.5],
      [0.5, 0, 1, 0.5],
      [0, 0.5, 0.5, 1],
      [0.5, 0.5, 1, 1],
    ]);
    expect(regions.map(({ change }) => Number(change.logOdds.toFixed(9)))).toEqual([0, 0.5, 0, 0]);
  });

  it('covers a region by the mean color of the image, and leaves the given image as it is', async () => {
    const judge = additiveJudge({});
    const image: RgbImage = { width: 2, height: 1, data: Uint8Array.of(10, 20, 30, 20, 40, 60) };
    await explain(judge, { text: null, image }, { grid: [1, 2] });
    expect(judge.asked.map((post) => [...(post.image?.data ?? [])])).toEqual([
      [10, 20, 30, 20, 40, 60],
      [15, 30, 45, 20, 40, 60],
      [10, 20, 30, 15, 30, 45],
    ]);
    expect([...image.data]).toEqual([10, 20, 30, 20, 40, 60]);
  });

  it('leaves out whole modalities, and tells when their parts repeat each other', async () => {
    const judge = additiveJudge({ a: 0 });
    const either: ExplainingJudge = {
      ...judge,
      judge: async (post) => {
        const judgment = await judge.judge(post);
        const good = /fine|nice/.test(post.text ?? '') ? 0.9 : 0.2; // either word is enough
        return { ...judgment, label: 'good', probabilities: { good, bad: 1 - good } };
      },
    };
    const { words, modalities, notes } = await explain(either, { text: 'fine nice', image: IMAGE }, { grid: null });
    expect(words.map(({ change }) => change.probability)).toEqual([0, 0]);
    expect(modalities.text?.probability).toBeCloseTo(0.7, 9);
    expect(modalities.image?.probability).toBe(0);
    expect(notes.at(-1)).toContain('What the text says stands in several words');
  });

  it.each([
    ['我爱北京', ['我', '爱', '北京']],
    ['👍🏽 great!!! :-)', ['👍🏽', 'great', '!!!', ':-)']],
    ['#sunny @me https://example.org/a?b=1 don’t', ['#sunny', '@me', 'https://example.org/a?b=1', 'don’t']],
    ['already [MASK] here', ['already', 'here']],
    ['mail a@b', ['mail', 'a', '@', 'b']],
  ])('cuts %s into words', async (text, expected) => {
    const judge = additiveJudge({});
    const { words } = await explain(judge, { text, image: null });
    expect(words.map(({ word }) => word)).toEqual(expected);
    for (const { word, start, end } of words) expect(text.slice(start, end)).toBe(word);
  });

  it('drops one word at a time, and says so where nothing would be left', async () => {
    const judge = additiveJudge({});
    await explain(judge, { text: 'so good', image: null });
    expect(judge.asked.map(({ text }) => text)).toEqual(['so good', ' good', 'so ']);
    const { words, notes } = await explain(judge, { text: 'good', image: null });
    expect(words).toEqual([]);
    expect(notes.join()).toContain('The post is a single word');
    const whole = await explain(judge, { text: 'so good', image: null }, { words: 1 });
    expect([whole.words, whole.notes[1]]).toEqual([[], 'The text was taken as one part: without it, there is nothing to judge.']); // prettier-ignore
    const lone = await explain(judge, { text: 'good', image: IMAGE }, { grid: null });
    expect(lone.words.map(({ word }) => word)).toEqual(['good']);
  });

  it('goes by groups of neighbors through a long text, which they cover', async () => {
    const judge = additiveJudge({ w77: 3 });
    const text = Array.from({ length: 100 }, (_, i) => `w${i}`).join(' ');
    const { words, notes } = await explain(judge, { text, image: null }, { words: 8 });
    expect(words).toHaveLength(8);
    expect(words.map(({ word }) => word).join(' ')).toBe(text);
    expect(words.filter(({ change }) => change.probability > 0.4).map(({ word }) => word.includes('w77'))).toEqual([true]); // prettier-ignore
    expect(notes.join(' ')).toContain('8 groups of neighboring words');
    expect((await explain(judge, { text, image: null }, { words: 0 })).words).toEqual([]);
  });

  it('explains another class than the most probable one', async () => {
    const judge = additiveJudge({ lovely: 2 });
    const { words } = await explain(judge, { text: 'lovely day', image: null }, { label: 'bad' });
    expect(words[0]?.change.logOdds).toBeCloseTo(-2, 9);
    await expect(explain(judge, { text: 'lovely', image: null }, { label: 'ugly' })).rejects.toThrow(
      'explain, label expected one of good, bad, received ugly',
    );
    for (const label of ['__proto__', 'toString']) {
      const named = explain(judge, { text: 'lovely', image: null }, { label });
      await expect(named).rejects.toThrow(`expected one of good, bad, received ${label}`);
    }
  });

  it('tells its progress, and stops when asked to', async () => {
    const judge = additiveJudge({});
    const told: string[] = [];
    const onProgress = (done: number, total: number): void => void told.push(`${done}/${total}`);
    await explain(judge, { text: 'a b', image: IMAGE }, { grid: [1, 1], onProgress });
    expect(told).toEqual(['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
    const stop = new AbortController();
    const stopping = explain(judge, { text: 'a b c d', image: null }, { signal: stop.signal, onProgress: (done) => done === 2 && stop.abort() }); // prettier-ignore
    const before = judge.asked.length;
    await expect(stopping).rejects.toThrow(/aborted/);
    expect(judge.asked.length - before).toBeLessThanOrEqual(2);
  });

  it('gives the same again, and never more cells than pixels', async () => {
    const judge = additiveJudge({ lovely: 1 });
    const post = { text: 'lovely 😀', image: withWhitePixel(1, 2) };
    const first = await explain(judge, post);
    expect(await explain(judge, post)).toEqual(first);
    expect(first.regions).toHaveLength(16);
  });

  it('keeps log odds finite where a probability is 1', async () => {
    const judge = additiveJudge({ sure: 1000 });
    const { words } = await explain(judge, { text: 'sure thing', image: null });
    expect(words.every(({ change }) => Number.isFinite(change.logOdds))).toBe(true);
  });

  it('refuses posts of nothing and counts out of range', async () => {
    const judge = additiveJudge({});
    await expect(explain(judge, { text: ' ', image: null })).rejects.toThrow(DataError);
    const post = { text: 'a', image: null };
    await expect(explain(judge, post, { words: 1.5 })).rejects.toThrow(ConfigurationError);
    await expect(explain(judge, post, { grid: [0, 3] })).rejects.toThrow('explain, grid expected a whole number from 1 to 32, received 0'); // prettier-ignore
  });
});

describe('placeOf', () => {
  it('says in words where a region lies', async () => {
    const { regions } = await explain(additiveJudge({}), { text: null, image: IMAGE }, { grid: [3, 3] });
    expect(regions.map(placeOf)).toEqual(['top left', 'top', 'top right', 'left', 'center', 'right', 'bottom left', 'bottom', 'bottom right']); // prettier-ignore
    expect(placeOf({ left: 0, top: 0, right: 1, bottom: 1 })).toBe('center');
    expect(largestChange([{ change: { probability: -0.4, logOdds: -1 } }, { change: { probability: 0.1, logOdds: 1 } }])).toBe(0.4); // prettier-ignore
    expect(largestChange([])).toBe(0);
  });
});

describe('what is shown of an explanation', () => {
  const change = (probability: number) => ({ probability, logOdds: 0 });

  it('marks parts by their share of the strongest, and leaves faint ones alone', () => {
    expect([0.4, -0.2, 0.03, 0].map((each) => strengthOf(change(each), 0.4))).toEqual([1, -0.5, 0, 0]);
    expect([strengthOf(change(0.0001), 0.0001), strengthOf(change(0), 0)]).toEqual([0, 0]);
  });

  it('writes points with their sign', () => {
    expect([0.1234, -0.05, 0.0001, -0.0001].map(pointsOf)).toEqual(['+12.3', '−5.0', '0.0', '0.0']);
  });

  it('names places once, by their strongest region', async () => {
    const { regions } = await explain(
      additiveJudge({}),
      { text: null, image: withWhitePixel(3, 0) },
      { label: 'good' },
    );
    expect(strongestPlaces(regions)).toMatch(/^top right \+\d+\.\d$/);
    expect(strongestPlaces([])).toBe('none of them changes anything');
  });

  it('cuts a text into its words and what stands between them', async () => {
    const text = ' so [MASK] good! ';
    const { words } = await explain(additiveJudge({}), { text, image: null });
    const parts = textParts(text, words);
    expect(parts.map((part) => part.text)).toEqual([' ', 'so', ' [MASK] ', 'good', '!', ' ']);
    expect(parts.map(({ word }) => word?.word ?? null)).toEqual([null, 'so', null, 'good', '!', null]);
    expect(textParts(text, [])).toEqual([{ text, word: null }]);
  });
});
