import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@huggingface/tokenizers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createRandom } from '@drf/tensor';
import { createTokenizer, PieceTrie, type Vocabulary } from '@drf/preprocessing/text';
import { readSentenceFiles } from '../embedded/sentence.js';
import { createTextTokenizer } from '../huggingface/text-tokenizer.js';

const FIXTURES = fileURLToPath(new URL('../../fixtures/tokenizers', import.meta.url));

async function json(path: string): Promise<object> {
  return JSON.parse(await readFile(join(FIXTURES, path), 'utf8')) as object;
}

/** A `tokenizer.json` of the Unigram kind with the pieces of the embedded encoder. */
function unigramFile(vocabulary: Vocabulary, split: boolean): object {
  const seen = new Set<string>();
  const vocab = vocabulary.map(([piece, score], id): [string, number] => {
    if (id < 6 || seen.has(piece)) return [id === 0 ? '<unk>' : `<reserved ${id}>`, -30];
    seen.add(piece);
    return [piece, Math.min(score, -0.5)];
  });
  return {
    added_tokens: [],
    normalizer: { type: 'NFKC' },
    pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split },
    post_processor: null,
    decoder: null,
    model: { type: 'Unigram', unk_id: 0, vocab },
  };
}

/** Texts that Unicode makes long, or that have no end of a word, by what they consist of. */
const WORST: Readonly<Record<string, string>> = {
  'U+FDFA, 18 characters by NFKC': '\ufdfa',
  'U+FDFB': '\ufdfb',
  'one letter': 'a',
  'one letter that no vocabulary has': '\u{1f600}',
  'unknown letters of one byte pair each': 'ж',
  'emoji joined by U+200D': '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
  'combining marks in an order that has to be changed': '\u0301\u0323',
  'letters with marks': 'a\u0301\u0323',
  'alternating scripts': 'aжا日ก\u{20000}',
  ideographs: '日本',
  spaces: ' ',
  'white space of many kinds': '\u00a0\u3000\t\n\u2003',
  'words of 99 letters and one that is unknown': `${'ab'.repeat(49)}a\u{1f600} `,
  'the mark of a space': '\u2581',
  punctuation: '!',
  'halves of characters': '\ud83d',
  'U+0345, which lower-casing makes longer': 'İ\u0345',
};

describe('tokenizers over the worst of Unicode', () => {
  let tokenizers: Readonly<Record<string, (text: string) => readonly number[]>>;
  beforeAll(async () => {
    const { vocabulary } = await readSentenceFiles();
    const open = (tokenizer: object, config: object) =>
      createTextTokenizer({ tokenizer, config }, { positions: 512 }, 'some model').encode;
    tokenizers = {
      'embedded, Viterbi': createTokenizer(vocabulary),
      WordPiece: open(await json('bert/tokenizer.json'), await json('bert/tokenizer_config.json')),
      'byte pairs': open(await json('roberta/tokenizer.json'), await json('roberta/tokenizer_config.json')),
      Unigram: open(unigramFile(vocabulary, false), {}),
      'Unigram by words': open(unigramFile(vocabulary, true), {}),
    };
  });
  afterEach(() => vi.restoreAllMocks());

  // a tokenizer whose time grows with the square of the length takes hours for these; the bound is for the slowest machine
  it.each(Object.keys(WORST))('end soon with very long texts: %s', { timeout: 120_000 }, (name) => {
    const unit = WORST[name] as string;
    const length = /^one letter|FDFA/.test(name) ? 2 ** 20 : 2 ** 16;
    const text = unit.repeat(Math.ceil(length / unit.length));
    for (const [kind, encode] of Object.entries(tokenizers)) {
      const ids = encode(text);
      expect(ids.length, kind).toBeLessThanOrEqual(512);
      expect(
        ids.every((id) => Number.isInteger(id) && id >= 0),
        kind,
      ).toBe(true);
    }
  });

  it.each(Object.keys(WORST))('take no more steps a character for four times as many: %s', async (name) => {
    const unit = WORST[name] as string;
    const { vocabulary } = await readSentenceFiles();
    const steps = vi.spyOn(PieceTrie.prototype, 'follow');
    const embedded = createTokenizer(vocabulary);
    const file = unigramFile(vocabulary, false);
    const unigram = createTextTokenizer({ tokenizer: file, config: {} }, { positions: 100_000 }, 'some model').encode;
    for (const encode of [embedded, unigram]) {
      const stepsFor = (characters: number): number => {
        steps.mockClear();
        encode(unit.repeat(Math.ceil(characters / unit.length)));
        return steps.mock.calls.length;
      };
      const few = stepsFor(500);
      expect(stepsFor(2000)).toBeLessThanOrEqual(5 * few + 100);
    }
  });

  it('looks at no substring of a word that is longer than the longest piece', async () => {
    const words = (await json('bert/tokenizer.json')) as { readonly model: { readonly vocab: Record<string, number> } };
    const longest = Math.max(...Object.keys(words.model.vocab).map((piece) => [...piece].length));
    const tokenizer = createTextTokenizer({ tokenizer: words, config: {} }, { positions: 512 }, 'some model');
    const looked = vi.spyOn(Map.prototype, 'has');
    tokenizer.encode('q'.repeat(100));
    const lookUps = looked.mock.calls.filter(([key]) => /^(?:##)?q+$/.test(String(key))).length;
    expect(lookUps).toBeLessThanOrEqual(2 * 100 * longest);
  });
});

/** Texts of pieces of words, spaces, marks and letters of several scripts, at random. */
function randomTexts(count: number): string[] {
  const random = createRandom('tokenizers');
  const parts = [
    'a',
    'the',
    ' ',
    'good',
    'ing',
    '😀',
    'é',
    '日',
    ' ',
    '#',
    '??',
    '\u2581',
    'ﷺ',
    '½',
    's',
    '...',
    'RT @',
  ];
  const length = (): number => 1 + Math.floor(random.uniform() * 30);
  return Array.from({ length: count }, () =>
    Array.from({ length: length() }, () => parts[Math.floor(random.uniform() * parts.length)] as string).join(''),
  );
}

describe('a tokenizer made linear', () => {
  it('gives the ids of the library', async () => {
    const { vocabulary } = await readSentenceFiles();
    const bert = await json('bert/tokenizer.json');
    const roberta = await json('roberta/tokenizer.json');
    for (const [file, config] of [
      [bert, await json('bert/tokenizer_config.json')],
      [roberta, await json('roberta/tokenizer_config.json')],
      [unigramFile(vocabulary, false), {}],
    ] as const) {
      const roomy = { ...config, model_max_length: 512 };
      const own = createTextTokenizer({ tokenizer: file, config: roomy }, { positions: 512 }, 'some model');
      const library = new Tokenizer(structuredClone(file), config);
      const differing = randomTexts(300).filter(
        (text) => String(own.encode(text)) !== String((library.encode(text) as { readonly ids: number[] }).ids),
      );
      expect(differing).toEqual([]);
    }
  });

  it('has the special tokens alone for a text of nothing that is read', async () => {
    const tokenizer = createTextTokenizer(
      { tokenizer: await json('bert/tokenizer.json'), config: {} },
      { positions: 16 },
      'some model',
    );
    expect(tokenizer.encode(' '.repeat(2 ** 20))).toEqual(tokenizer.encode(''));
  });
});
