import { createTokenizer, MAXIMUM_CHARACTERS, type Tokenize } from '@drf/preprocessing/text';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEagerEngine } from '@drf/engine';
import { createRandom, type Engine } from '@drf/tensor';
import type { TextEncoder } from '../contract.js';
import { readSentenceFiles } from './sentence.js';
import { bucketOf, createEmbeddedTextEncoder, groupByBucket } from './text-encoder.js';
import { loadGraphModel, maximumDifference } from '../testing/graph-model.js';

const LONG = Array.from({ length: 300 }, (_, i) => `word${i % 7} and then`).join(' ');
const TEXTS = [
  '',
  'Hello world',
  'RT @someone: what a GREAT day!!! #sunshine http://t.co/abc 😀😀',
  'I am not happy about the weather, and neither is my neighbour who has been waiting for the bus since noon.',
  '😀',
  '人工知能 は すごい',
  '�',
  LONG,
  'a '.repeat(40),
];

describe('Universal Sentence Encoder lite', () => {
  let engine: Engine;
  let encoder: TextEncoder;
  let tokenize: Tokenize;
  let model: tf.GraphModel;
  beforeAll(async () => {
    engine = await createEagerEngine('wasm');
    await tf.setBackend('wasm');
    encoder = await createEmbeddedTextEncoder(engine);
    const files = await readSentenceFiles();
    tokenize = createTokenizer(files.vocabulary);
    model = await loadGraphModel(files);
  });
  afterAll(async () => {
    model.dispose();
    await encoder.dispose();
    await engine.dispose();
  });

  async function graphFeatures(lists: readonly (readonly number[])[]): Promise<Float32Array> {
    const places = lists.flatMap((list, row) => list.map((_, column) => [row, column]));
    const indices = tf.tensor2d(places, [places.length, 2], 'int32');
    const values = tf.tensor1d(lists.flat(), 'int32');
    const output = (await model.executeAsync({ indices, values })) as tf.Tensor;
    const data = (await output.data()) as Float32Array;
    tf.dispose([indices, values, output]);
    return data;
  }

  it('equals the graph model over varied texts, in one batch', async () => {
    const expected = await graphFeatures(TEXTS.map(tokenize));
    const features = await encoder.encode(TEXTS);
    expect(features.shape).toEqual([TEXTS.length, 512]);
    expect(maximumDifference(features.data, expected)).toBeLessThan(1e-4);
  });

  it('has the ids of the tokenizer that the model came with, of all word pieces and at random', async () => {
    const { Tokenizer } = await import('@tensorflow-models/universal-sentence-encoder');
    const { vocabulary } = await readSentenceFiles();
    const reference = new Tokenizer(vocabulary);
    const random = createRandom('sentence');
    const parts = [
      ...'aest .,!?#@\u2581日é😀½',
      'ing',
      ' the ',
      'ﷺ',
      '\ufffd',
      ...vocabulary.slice(0, 400).map(([piece]) => piece),
    ];
    const texts = Array.from({ length: 400 }, () =>
      Array.from({ length: 1 + random.integer(40) }, () => parts[random.integer(parts.length)]).join(''),
    );
    for (const text of [...TEXTS, ...texts]) {
      const tidied = text.replace(/\s+/gu, ' ').trim();
      expect(tokenize(text), JSON.stringify(text)).toEqual(reference.encode(tidied).slice(0, 128));
    }
  });

  it('cuts tokens beyond 128 as the graph does', async () => {
    const full = Array.from({ length: 200 }, (_, i) => 100 + ((i * 37) % 5000));
    const expected = await graphFeatures([full]);
    const cut = await graphFeatures([full.slice(0, 128)]);
    expect(maximumDifference(cut, expected)).toBeLessThan(1e-6);
    expect(tokenize(LONG)).toHaveLength(128);
  });

  it('gives token outputs whose mask counts the tokens', async () => {
    const own = await createEmbeddedTextEncoder(engine);
    const { tokens, mask } = (await own.encodeTokens?.(TEXTS)) ?? expect.fail('no tokens');
    expect(tokens.shape).toEqual([TEXTS.length, 128, 512]);
    TEXTS.forEach((text, row) => {
      const sum = Array.from(mask.data.slice(row * 128, (row + 1) * 128)).reduce((total, value) => total + value, 0);
      expect(sum).toBe(tokenize(text).length);
    });
    const alone = (await own.encodeTokens?.([TEXTS[1] as string])) ?? expect.fail('no tokens');
    expect(alone.tokens.shape).toEqual([1, 16, 512]);
    const there = tokens.data.slice(128 * 512, 128 * 512 + 2 * 512);
    expect(maximumDifference(alone.tokens.data.slice(0, 2 * 512), there)).toBeLessThan(1e-5);
    await own.dispose();
  });

  it('bounds the work for texts of any length', () => {
    expect(tokenize('x'.repeat(5_000_000)).length).toBe(128);
    expect(tokenize(`${'😀'.repeat(MAXIMUM_CHARACTERS)} end`)).toEqual(tokenize('😀'));
  });

  it('splits white space of any kind alike, and has no tokens for blank texts', () => {
    expect(tokenize('  good\n\tday ')).toEqual(tokenize('good day'));
    expect(tokenize(' \n ')).toEqual([]);
  });

  it('puts texts that mean alike closer', async () => {
    const { data } = await encoder.encode([
      'I love this movie',
      'This film is wonderful',
      'The bus stops at the corner',
    ]);
    const similarity = (a: number, b: number): number => {
      let sum = 0;
      for (let i = 0; i < 512; i++) sum += (data[a * 512 + i] as number) * (data[b * 512 + i] as number);
      return sum;
    };
    expect(similarity(0, 0)).toBeCloseTo(1, 4);
    expect(similarity(0, 1)).toBeGreaterThan(similarity(0, 2) + 0.1);
  });
});

describe('padding', () => {
  it('takes the shortest bucket', () => {
    expect([0, 16, 17, 64, 65, 128, 500].map(bucketOf)).toEqual([16, 16, 32, 64, 128, 128, 128]);
  });

  it('groups by bucket and keeps the order', () => {
    const lists = [30, 2, 100, 3, 32].map((length) => new Array<number>(length).fill(7));
    expect([...groupByBucket(lists)]).toEqual([
      [16, [1, 3]],
      [32, [0, 4]],
      [128, [2]],
    ]);
  });
});
