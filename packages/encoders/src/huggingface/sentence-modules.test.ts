import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { writeJsonAtomic } from '@drf/files';
import { ConfigurationError, type HostTensor } from '@drf/tensor';
import type { TextEncoder } from '../contract.js';
import { openEncoder, type OpenEncoderOptions } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { writeTinyBert } from '../testing/tiny-transformers.js';

const TEXTS = ['good day', 'a bad movie the the the !', 'the'];
const TRANSFORMER = { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' };
const POOLING = { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' };
const NORMALIZE = { idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' };
const DENSE = { idx: 2, name: '2', path: '2_Dense', type: 'sentence_transformers.models.Dense' };

const opened: { dispose(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.dispose();
});

function poolingFile(...modes: string[]): object {
  const all = ['cls_token', 'mean_tokens', 'max_tokens', 'mean_sqrt_len_tokens', 'weightedmean_tokens', 'lasttoken'];
  const flags = [...new Set([...all, ...modes])].map((mode) => [`pooling_mode_${mode}`, modes.includes(mode)]);
  return { word_embedding_dimension: 8, ...Object.fromEntries(flags) };
}

async function open(
  files: Readonly<Record<string, object>>,
  options: OpenEncoderOptions = {},
  engineName = 'eager:wasm',
): Promise<TextEncoder> {
  const folder = await temporaryFolder();
  for (const name of Object.keys(files)) await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeTinyBert(folder);
  for (const [name, content] of Object.entries(files)) await writeJsonAtomic(join(folder, name), content);
  const engine = await createEngine(engineName);
  const encoder = await openEncoder(`huggingface:${folder}`, 'text', engine, options).catch(async (error: unknown) => {
    await engine.dispose();
    throw error;
  });
  opened.push(encoder, engine);
  return encoder;
}

/** States [token][dim] of a text's tokens, without padding. */
async function statesOf(encoder: TextEncoder, text: string): Promise<number[][]> {
  const { tokens, mask } = (await encoder.encodeTokens?.([text])) as { tokens: HostTensor; mask: HostTensor };
  const count = [...mask.data].reduce((sum, each) => sum + each, 0);
  return Array.from({ length: count }, (_, i) => [...tokens.data.slice(8 * i, 8 * (i + 1))]);
}

function combine(states: number[][], weights: number[]): number[] {
  return Array.from({ length: 8 }, (_, k) =>
    states.reduce((sum, row, i) => sum + (weights[i] as number) * (row[k] as number), 0),
  );
}

const BY_HAND: Readonly<Record<string, (states: number[][]) => number[]>> = {
  cls_token: (states) => states[0] as number[],
  mean_tokens: (states) =>
    combine(
      states,
      states.map(() => 1 / states.length),
    ),
  max_tokens: (states) => Array.from({ length: 8 }, (_, k) => Math.max(...states.map((row) => row[k] as number))),
  mean_sqrt_len_tokens: (states) =>
    combine(
      states,
      states.map(() => 1 / Math.sqrt(states.length)),
    ),
  weightedmean_tokens: (states) => {
    const total = (states.length * (states.length + 1)) / 2;
    return combine(
      states,
      states.map((_, i) => (i + 1) / total),
    );
  },
  lasttoken: (states) => states.at(-1) as number[],
};

async function expectFeatures(encoder: TextEncoder, byHand: (states: number[][]) => number[]): Promise<void> {
  const features = await encoder.encode(TEXTS);
  const expected: number[] = [];
  for (const text of TEXTS) expected.push(...byHand(await statesOf(encoder, text)));
  expect(maximumDifference(features.data, expected)).toBeLessThan(1e-5);
}

describe('a model of sentence-transformers', () => {
  it.each(Object.keys(BY_HAND))('pools as 1_Pooling/config.json says: %s', async (mode) => {
    const byHand = BY_HAND[mode] as (states: number[][]) => number[];
    for (const engine of ['eager:wasm', 'compiled']) {
      await expectFeatures(await open({ '1_Pooling/config.json': poolingFile(mode) }, {}, engine), byHand);
    }
  });

  it('pools as modules.json and the later form of the configuration say', async () => {
    const files = {
      'modules.json': [TRANSFORMER, { ...POOLING, path: 'pool' }],
      'pool/config.json': { pooling_mode: 'max' },
    };
    await expectFeatures(await open(files), BY_HAND['max_tokens'] as (states: number[][]) => number[]);
  });

  it('scales features to length 1 where there is a Normalize', async () => {
    const files = {
      '1_Pooling/config.json': poolingFile('cls_token'),
      'modules.json': [TRANSFORMER, POOLING, NORMALIZE],
    };
    const unit = ([first = []]: number[][]): number[] => first.map((value) => value / Math.hypot(...first));
    for (const engine of ['eager:wasm', 'compiled']) await expectFeatures(await open(files, {}, engine), unit);
  });

  it('follows the pooling that was asked for instead, with nothing after it', async () => {
    const files = { '1_Pooling/config.json': poolingFile('cls_token'), 'modules.json': [TRANSFORMER, POOLING, DENSE] };
    await expectFeatures(
      await open(files, { pooling: 'mean' }),
      BY_HAND['mean_tokens'] as (states: number[][]) => number[],
    );
  });

  it.each([
    ['Dense', { 'modules.json': [TRANSFORMER, POOLING, DENSE] }, 'received Transformer, Pooling, Dense'],
    [
      'two poolings',
      { '1_Pooling/config.json': poolingFile('cls_token', 'mean_tokens') },
      'cls_token with mean_tokens',
    ],
    ['no pooling', { '1_Pooling/config.json': poolingFile() }, 'received none'],
    ['an unknown pooling', { '1_Pooling/config.json': poolingFile('median') }, 'received median'],
    [
      'a pooling without its file',
      { 'modules.json': [TRANSFORMER, { ...POOLING, path: 'gone' }] },
      'received no such file',
    ],
    ['a pooling outside', { 'modules.json': [TRANSFORMER, { ...POOLING, path: '../x' }] }, 'received "../x"'],
    [
      'a prompt',
      { 'config_sentence_transformers.json': { prompts: { q: 'query: ' }, default_prompt_name: 'q' } },
      'no default prompt',
    ],
  ])('refuses %s, naming the option', async (_, files, message) => {
    const error = await open({ '1_Pooling/config.json': poolingFile('cls_token'), ...files }).catch(
      (each: unknown) => each,
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain('--encoders.pooling.text');
  });

  it('cuts texts at max_seq_length, which wins over model_max_length, and further on when told to', async () => {
    const tokenizer = { tokenizer_class: 'BertTokenizer', model_max_length: 8, mask_token: '[MASK]' };
    const long = 'good '.repeat(40);
    const tokensOf = async (files: Readonly<Record<string, object>>, textLengths?: number[]) => {
      const encoder = await open(files, textLengths === undefined ? {} : { textLengths });
      return (await statesOf(encoder, long)).length;
    };
    expect(await tokensOf({ 'sentence_bert_config.json': { max_seq_length: 12 } })).toBe(12);
    expect(await tokensOf({ 'sentence_bert_config.json': { max_seq_length: null } })).toBe(24);
    expect(await tokensOf({ 'sentence_bert_config.json': { max_seq_length: 500 } })).toBe(24);
    expect(await tokensOf({ 'sentence_bert_config.json': { max_seq_length: 12 } }, [20])).toBe(20);
    const both = { 'sentence_roberta_config.json': { max_seq_length: 12 }, 'tokenizer_config.json': tokenizer };
    expect(await tokensOf(both)).toBe(12);
  });

  it('lower-cases texts, but not masks, where do_lower_case says so', async () => {
    const cased = {
      tokenizer_class: 'BertTokenizer',
      do_lower_case: false,
      mask_token: '[MASK]',
      model_max_length: 24,
    };
    const files = { 'tokenizer_config.json': cased };
    const lowered = await open({ ...files, 'sentence_bert_config.json': { do_lower_case: true } });
    const plain = await open(files);
    const [asWritten, lower] = ['GOOD [MASK] Day', 'good [MASK] day'];
    expect(await lowered.encode([asWritten])).toEqual(await plain.encode([lower]));
    expect(await plain.encode([asWritten])).not.toEqual(await plain.encode([lower]));
  });

  it('has an id that follows these files, and that of a plain model without them', async () => {
    const pooling = { '1_Pooling/config.json': poolingFile('cls_token') };
    const variants: readonly Readonly<Record<string, object>>[] = [
      {},
      pooling,
      { ...pooling, 'modules.json': [TRANSFORMER, POOLING, NORMALIZE] },
      { 'sentence_bert_config.json': { max_seq_length: 12 } },
      { 'sentence_bert_config.json': { do_lower_case: true } },
    ];
    const ids: string[] = [];
    for (const files of variants) ids.push((await open(files)).id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids[0]).toMatch(/^huggingface:text::[0-9a-f]{12}:mean:tokens24:v1$/);
  });
});
