import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { createRandom, ShapeMismatchError, type Post, type RgbImage } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { applyDisruption, disruptionKey } from './apply.js';
import { HOMOGLYPHS, KEYBOARD_NEIGHBORS, OCR_CONFUSIONS } from './characters.js';
import { countWords } from './corrupt.js';
import { applyCorruption, CORRUPTION_NAMES, corruptionRule, type CorruptionName } from './corruptions.js';
import { IMAGE_CORRUPTIONS } from './image-corruptions.js';
import { planDisruption, planDisruptions } from './plan.js';
import { SEVERITIES, type Severity } from './severity.js';
import { drawSplitMixSeed } from './split-mix.js';
import { parseStrategy } from './strategy.js';
import { TEXT_CORRUPTIONS } from './text-corruptions.js';

const SEED = '0123456789abcdef';

/** Smooth shapes with a little grain, as photographs have them. */
function photo(width: number, height: number): RgbImage {
  const random = createRandom('photo');
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, channel] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    const inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (width / 3) ** 2;
    return Math.floor(90 + 60 * Math.sin(x / 9 + channel) + (inside ? 70 : 0) + 20 * random.uniform());
  });
  return { width, height, data };
}

const TEXT =
  'What a lovely morning at the lake, 20 swans and our old boat!  So happy \u{1F600} to be here with all of you again';

const image = photo(48, 40);
const post: Post = { id: '1', image, text: TEXT, label: 0 };

function imageAfter(name: CorruptionName, severity: Severity, seed = SEED, from: RgbImage = image): RgbImage {
  return applyCorruption({ ...post, image: from }, name, severity, seed).image as RgbImage;
}

function textAfter(name: CorruptionName, severity: Severity, seed = SEED, from = TEXT): string {
  return applyCorruption({ ...post, text: from }, name, severity, seed).text as string;
}

function distance(one: RgbImage, other: RgbImage): number {
  return one.data.reduce((sum, value, i) => sum + Math.abs(value - (other.data[i] as number)), 0);
}

const BY_WORD = { dropped_words: true, shuffled_words: true, truncation: true };

/** Places of words whose word is another one, and words that are gone. */
function changedWords(before: string, after: string): number {
  const [first, second] = [before.split(/\s+/), after.split(/\s+/)];
  if (first.length > second.length) return first.length - second.length;
  return first.filter((word, i) => word !== second[i]).length;
}

/** Code points that are others. */
function changedCharacters(before: string, after: string): number {
  const second = [...after];
  return [...before].filter((character, i) => character !== second[i]).length;
}

const hashOf = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex').slice(0, 16);

describe.each(CORRUPTION_NAMES.image)('%s', (name) => {
  it('gets worse with its severity, leaves size and input alone, and repeats', () => {
    const before = Uint8Array.from(image.data);
    const distances = SEVERITIES.map((severity) => {
      const corrupted = imageAfter(name, severity);
      expect([corrupted.width, corrupted.height, corrupted.data.length]).toEqual([48, 40, 48 * 40 * 3]);
      expect(imageAfter(name, severity)).toEqual(corrupted);
      return distance(image, corrupted);
    });
    expect(distances[0]).toBeGreaterThan(0);
    distances.slice(1).forEach((own, i) => expect(own).toBeGreaterThan(distances[i] as number));
    expect(image.data).toEqual(before);
  });

  it('takes any size, also a view into a pool, and no bytes that do not fill it', () => {
    const sizes = fc.record({ width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }) });
    const cases = fc.tuple(sizes, fc.constantFrom(...SEVERITIES), fc.integer());
    fc.assert(
      fc.property(cases, ([{ width, height }, severity, chance]) => {
        const seed = drawSplitMixSeed(createRandom(chance));
        const from = photo(width, height);
        const corrupted = imageAfter(name, severity, seed, from);
        expect(corrupted.data).toHaveLength(width * height * 3);
        const pool = Buffer.concat([Buffer.alloc(5), Buffer.from(from.data)]);
        expect(imageAfter(name, severity, seed, { width, height, data: pool.subarray(5) })).toEqual(corrupted);
      }),
      { numRuns: 20 },
    );
    const rgba = { width: 2, height: 2, data: new Uint8Array(16) };
    expect(() => imageAfter(name, 1, SEED, rgba)).toThrow(ShapeMismatchError);
  });
});

describe.each(CORRUPTION_NAMES.text)('%s', (name) => {
  it('gets worse with its severity and repeats', () => {
    const edits = SEVERITIES.map((severity) => {
      const corrupted = textAfter(name, severity);
      expect(textAfter(name, severity)).toBe(corrupted);
      return name in BY_WORD ? changedWords(TEXT, corrupted) : changedCharacters(TEXT, corrupted);
    });
    expect(edits[0]).toBeGreaterThan(0);
    edits.slice(1).forEach((own, i) => expect(own).toBeGreaterThanOrEqual(edits[i] as number));
    expect(edits[4]).toBeGreaterThan(edits[0] as number);
  });

  it('keeps at least a word of any text that has one, and gives texts without words back', () => {
    for (const empty of ['', ' ', '\t\n \u3000']) {
      for (const severity of SEVERITIES) expect(textAfter(name, severity, SEED, empty)).toBe(empty);
    }
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom(...SEVERITIES),
        fc.integer(),
        (text, severity, chance) => {
          const seed = drawSplitMixSeed(createRandom(chance));
          const corrupted = textAfter(name, severity, seed, text);
          expect(countWords(corrupted)).toBeLessThanOrEqual(countWords(text));
          expect(countWords(corrupted) > 0).toBe(countWords(text) > 0);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('corruptions of texts', () => {
  it('keep white space, and what they do not touch', () => {
    expect(textAfter('truncation', 5, SEED, ' a  b\tc d\ne ')).toBe(' a ');
    expect(textAfter('truncation', 1, SEED, ' a  b\tc d\ne ')).toBe(' a  b\tc d ');
    expect(textAfter('dropped_words', 5, SEED, 'one')).toBe('one');
    expect(textAfter('shuffled_words', 1, SEED, 'one')).toBe('one');
    expect(textAfter('shuffled_words', 1, SEED, ' one\ttwo ')).toBe(' two\tone ');
    const shuffled = textAfter('shuffled_words', 5);
    expect(shuffled.split(/\s+/).sort()).toEqual(TEXT.split(/\s+/).sort());
    const words = TEXT.split(/\s+/);
    shuffled.split(/\s+/).forEach((word, i) => expect(word).not.toBe(words[i])); // no word of it is there twice
    const kept = textAfter('dropped_words', 3).split(/\s+/);
    expect(words.filter((word) => kept.includes(word))).toEqual(kept);
    expect(kept).toHaveLength(words.length - Math.floor(0.3 * words.length + 0.5));
  });

  it('change more of the same characters as they get worse', () => {
    for (const name of ['typos', 'ocr_noise', 'homoglyphs'] as const) {
      const all = SEVERITIES.map((severity) => [...textAfter(name, severity)]);
      all.slice(1).forEach((worse, i) => {
        [...TEXT].forEach((own, place) => {
          if (all[i]?.[place] !== own) expect(worse[place]).toBe(all[i]?.[place]);
        });
      });
    }
  });

  it('have tables that go both ways where they should, and no character for itself', () => {
    for (const table of [KEYBOARD_NEIGHBORS, OCR_CONFUSIONS]) {
      for (const [character, others] of table) {
        for (const other of others) expect(table.get(other), `${character} ${other}`).toContain(character);
      }
    }
    for (const table of [KEYBOARD_NEIGHBORS, OCR_CONFUSIONS, HOMOGLYPHS]) {
      for (const [character, others] of table) {
        expect(character).toHaveLength(1);
        expect(others.length).toBeGreaterThan(0);
        expect(new Set(others).size).toBe(others.length);
        expect(others).not.toContain(character);
      }
    }
    for (const [latin, others] of HOMOGLYPHS) {
      expect(latin).toMatch(/[A-Za-z]/);
      expect(others).toMatch(/^[\p{Script=Cyrillic}\p{Script=Greek}]+$/u);
    }
  });
});

describe('corruptions of images', () => {
  it('have the strength that they name', () => {
    const gray = { width: 200, height: 200, data: new Uint8Array(120_000).fill(128) };
    const noisy = imageAfter('gaussian_noise', 2, SEED, gray).data;
    const deviation = Math.sqrt(noisy.reduce((sum, value) => sum + (value - 128) ** 2, 0) / noisy.length);
    expect(Math.abs(deviation / (2.56 * 12) - 1)).toBeLessThan(2e-3); // as its rule says; 2.55 would be 0.4 % less
    const impulses = imageAfter('salt_and_pepper', 5, SEED, gray).data;
    const share = (wanted: number): number => impulses.filter((value) => value === wanted).length / impulses.length;
    expect(share(0)).toBeCloseTo(0.135, 2);
    expect(share(255)).toBeCloseTo(0.135, 2);
    const covered = imageAfter('occlusion', 5, SEED, gray).data.filter((value) => value === 0).length;
    expect(covered / gray.data.length).toBeCloseTo(0.504, 2);
    const dark = imageAfter('low_light', 5, SEED, { ...gray, data: new Uint8Array(120_000).fill(255) }).data;
    expect(dark.reduce((sum, value) => sum + value, 0) / dark.length / 255).toBeCloseTo(0.2, 2);
  });

  it('leave what has no contrast as it is where they only blur', () => {
    const gray = { width: 9, height: 5, data: new Uint8Array(135).fill(77) };
    for (const severity of SEVERITIES) expect(imageAfter('gaussian_blur', severity, SEED, gray)).toEqual(gray);
    // a white dot spreads by the binomial weights 1 4 6 4 1
    const dot = { width: 5, height: 1, data: new Uint8Array(15) };
    dot.data.fill(255, 6, 9);
    const spread = imageAfter('gaussian_blur', 1, SEED, dot).data.filter((_, i) => i % 3 === 0);
    expect([...spread]).toEqual([1, 4, 6, 4, 1].map((weight) => Math.floor((255 * weight) / 16 + 0.5)));
  });
});

describe('a corruption of posts', () => {
  it('is planned for the share of the posts that have both modalities, to the modality that it takes', () => {
    const posts = Array.from({ length: 100 }, (_, i) => ({ id: String(i), hasImage: i % 10 > 0, hasText: true }));
    const entries = planDisruptions(posts, parseStrategy('random:0.6:typos@2'), 1);
    expect(entries).toHaveLength(54);
    for (const entry of entries) expect(entry).toMatchObject({ modality: 'text', corruption: 'typos', severity: 2 });
    const more = new Map(planDisruptions(posts, parseStrategy('random:0.8:typos@2'), 1).map((own) => [own.id, own]));
    for (const entry of entries) expect(more.get(entry.id)).toEqual(entry);
    const drawn = planDisruptions(posts, parseStrategy('fixed:text:typos'), 1);
    expect(drawn).toHaveLength(90);
    expect(new Set(drawn.map(({ severity }) => severity)).size).toBe(5);
    for (const { id, seed } of entries) expect(drawn.find((own) => own.id === id)?.seed).toBe(seed);
    const alone = planDisruption({ id: '3', hasImage: true, hasText: true }, parseStrategy('fixed:text:typos@2'), 1);
    expect(alone).toEqual({ ...drawn.find(({ id }) => id === '3'), severity: 2 });
  });

  it('takes modalities away in exact shares of their own, nested, never both of one post', () => {
    const posts = Array.from({ length: 101 }, (_, i) => ({ id: String(i), hasImage: true, hasText: i > 0 }));
    const lost = (text: string): { image: string[]; text: string[] } => {
      const entries = planDisruptions(posts, parseStrategy(text), 5);
      expect(new Set(entries.map(({ id }) => id)).size).toBe(entries.length);
      for (const { operation } of entries) expect(operation).toBe('discard');
      const of = (modality: string): string[] => entries.filter((own) => own.modality === modality).map(({ id }) => id);
      return { image: of('image'), text: of('text') };
    };
    const some = lost('missing:image=0.3:text=0.1');
    expect([some.image.length, some.text.length]).toEqual([30, 10]);
    const most = lost('missing:image=0.6:text=0.4');
    expect([most.image.length, most.text.length]).toEqual([60, 40]);
    expect(most.image).toEqual(expect.arrayContaining(some.image));
    expect(most.text).toEqual(expect.arrayContaining(some.text));
    expect(lost('missing:image=0')).toEqual({ image: [], text: [] });
    const halves = planDisruptions(posts.slice(1, 4), parseStrategy('missing:image=0.5:text=0.5'), 5);
    expect(halves.map(({ modality }) => modality).sort()).toEqual(['image', 'image', 'text']);
    const average = lost('missing:image=0.3:text=0.1:independent');
    expect(Math.abs(average.image.length - 30)).toBeLessThan(20);
  });

  it('has a key of its own for each severity and seed, and none for the other modality', () => {
    const entry = planDisruption({ id: '1', hasImage: true, hasText: true }, parseStrategy('fixed:image:jpeg@3'), 1);
    const key = disruptionKey(entry);
    expect(key).toMatch(/^image:jpeg:v1:3:[0-9a-f]{16}$/);
    expect(disruptionKey(entry, { modality: 'text' })).toBe('intact');
    const other = planDisruption({ id: '1', hasImage: true, hasText: true }, parseStrategy('fixed:image:jpeg@4'), 1);
    expect(disruptionKey(other)).not.toBe(key);
    expect(applyDisruption(post, entry).text).toBe(TEXT);
    expect(() => applyDisruption(post, entry, { imageSize: { width: 3, height: 3 } })).toThrow('an image of 3 × 3');
  });

  it('says in words how it is repeated', () => {
    for (const name of Object.values(CORRUPTION_NAMES).flat()) {
      const { levels, rule } = corruptionRule(name);
      expect(levels).toHaveLength(5);
      expect(rule.length).toBeGreaterThan(60);
    }
  });
});

describe('golden vectors', () => {
  it('are what every version of this code gives', () => {
    const vectors = {
      ...Object.fromEntries(
        Object.entries(IMAGE_CORRUPTIONS).map(([name, own]) => [
          name,
          SEVERITIES.map((severity) => hashOf(own.apply(GOLDEN_IMAGE, severity, SEED).data)),
        ]),
      ),
      ...Object.fromEntries(
        Object.entries(TEXT_CORRUPTIONS).map(([name, own]) => [name, own.apply(GOLDEN_TEXT, 3, SEED)]),
      ),
    };
    expect(vectors).toMatchInlineSnapshot(`
      {
        "dropped_words": "so	today 😀 with 2018 was",
        "gaussian_blur": [
          "8a00de595a3b13ae",
          "f2ec0e116b5ca351",
          "59d17f298bd6b6b9",
          "6f749ef81b8724fa",
          "8a856576207cae4e",
        ],
        "gaussian_noise": [
          "dce6a3a0cc859e76",
          "a2625236bfe39783",
          "67d182ab80f2613f",
          "e9a331cf00c35eca",
          "a2546684fe0ede2e",
        ],
        "homoglyphs": "sо  һapру	toԁау 😀 ԝith you, 2018 waѕ COLD",
        "jpeg": [
          "5e16d48130180ac9",
          "4f43e043910916f9",
          "dc73f8a49d2f8fbc",
          "ec284df710df5785",
          "61c99e6df2d099fd",
        ],
        "low_light": [
          "4bd9147529b379e6",
          "59794f771ad3efe3",
          "26c1786f124318c4",
          "a6abfe497678c03c",
          "4d0daefeab4e71b5",
        ],
        "occlusion": [
          "be934e60c4198264",
          "3c56b5770c933f8c",
          "09dc4349d142a302",
          "dd345665a573ad58",
          "4179e5d4561918b1",
        ],
        "ocr_noise": "su  happy	t0day 😀 with you, Z810 wa8 GULD",
        "salt_and_pepper": [
          "b2d150db5c5cbd2f",
          "e66ae76be0040422",
          "9c0703c89c527352",
          "74279de386eef6f9",
          "3d98e9b7a69beda9",
        ],
        "shuffled_words": "so  COLD	you, 😀 with happy today was 2018",
        "truncation": "so  happy	today 😀",
        "typos": "sl  happy	tixau 😀 with you, 2018 was FOLD",
      }
    `);
  });
});

/** 19 × 13 of whole numbers alone. */
const GOLDEN_IMAGE: RgbImage = {
  width: 19,
  height: 13,
  data: Uint8Array.from({ length: 19 * 13 * 3 }, (_, i) => (i * i + 31 * (i % 3) * Math.floor(i / 57)) % 251),
};

const GOLDEN_TEXT = 'so  happy\ttoday \u{1F600} with you, 2018 was COLD';
