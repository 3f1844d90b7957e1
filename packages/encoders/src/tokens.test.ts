import { describe, expect, it } from 'vitest';
import { ConfigurationError, hostTensor } from '@drf/tensor';
import type { FrozenEncoder, TokenFeatures } from './contract.js';
import { countingEncoder } from './testing/fake-encoder.js';
import {
  packTokens,
  pieceOfRow,
  poolPlaces,
  RandomProjection,
  tokenLayoutOf,
  tokenRowEncoder,
  tokenRowWidth,
  tokensOfRow,
} from './tokens.js';

function encoderOf(modality: 'image' | 'text', tokens: TokenFeatures): FrozenEncoder<string> {
  const base = { ...countingEncoder({ id: 'letters' }), tokenDim: tokens.tokens.shape[2] as number };
  return { ...base, modality, encodeTokens: async () => tokens };
}

describe('tokenRowEncoder', () => {
  const features: TokenFeatures = {
    tokens: hostTensor([1, 2, 9, 9, 3, 4, 5, 6, 7, 8, 0.1, 0.2], [2, 3, 2]),
    mask: hostTensor([1, 0, 1, 1, 1, 1], [2, 3]),
    pieces: hostTensor(Int32Array.of(7, 0, 5000, 1, 2, 3), [2, 3]),
  };

  it('packs standing tokens to the front, with their count and pieces, in half precision', async () => {
    const layout = { count: 4, dim: 2 };
    const rows = tokenRowEncoder(encoderOf('text', features), layout);
    const { data, shape } = await rows.encode(['a', 'b']);
    expect(shape).toEqual([2, tokenRowWidth(layout)]);
    const [first, second] = [data.subarray(0, 17), data.subarray(17)];
    expect([...first.subarray(0, 9)]).toEqual([1, 2, 3, 4, 0, 0, 0, 0, 2]);
    expect([tokensOfRow(layout, first), pieceOfRow(layout, first, 0), pieceOfRow(layout, first, 1)]).toEqual([
      2, 7, 5000,
    ]);
    expect(tokensOfRow(layout, second)).toBe(3);
    expect(second[4]).toBe(0.0999755859375); // 0.1 with eleven significant bits
  });

  it('cuts long texts and pools large maps', async () => {
    const cut = await tokenRowEncoder(encoderOf('text', features), { count: 2, dim: 2 }).encode(['a', 'b']);
    expect([...cut.data.subarray(9, 14)]).toEqual([5, 6, 7, 8, 2]);
    const map: TokenFeatures = {
      tokens: hostTensor([100, 1, 2, 3, 4], [1, 5, 1]), // a class token and 2 × 2 places
      mask: hostTensor([1, 1, 1, 1, 1], [1, 5]),
    };
    const pooled = await tokenRowEncoder(encoderOf('image', map), { count: 1, dim: 1 }).encode(['a']);
    expect([...pooled.data.subarray(0, 2)]).toEqual([2.5, 1]);
  });

  it('names itself by encoder and layout, and asks a cache for half precision', () => {
    const rows = tokenRowEncoder(encoderOf('text', features));
    expect(rows.id).toBe('letters:tokens48x2-v1');
    expect(rows.storage).toBe('float16');
    expect(tokenLayoutOf({ modality: 'image', tokenDim: 1792 })).toEqual({ count: 16, dim: 256 });
  });

  it('refuses an encoder without tokens', () => {
    expect(() => tokenRowEncoder(countingEncoder())).toThrow(ConfigurationError);
    expect(() => tokenRowEncoder(countingEncoder())).toThrow(
      'Encoder "counting:v1" expected token-level outputs, which the method reads, received pooled features only',
    );
  });
});

describe('RandomProjection', () => {
  it('is the same for the same widths and keeps lengths and angles roughly', () => {
    const project = (input: Float32Array): Float32Array => {
      const target = new Float32Array(256);
      new RandomProjection(1000, 256).addTo(target, input);
      return target;
    };
    const a = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const b = Float32Array.from({ length: 1000 }, (_, i) => Math.cos(i));
    const dot = (x: Float32Array, y: Float32Array): number =>
      x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
    expect(project(a)).toEqual(project(a));
    expect(dot(project(a), project(a)) / dot(a, a)).toBeCloseTo(1, 0);
    expect(Math.abs(dot(project(a), project(b))) / dot(a, a)).toBeLessThan(0.25);
  });

  it('is linear, by hand: signs times one over the root of the width', () => {
    const one = new Float32Array(4);
    new RandomProjection(2, 4).addTo(one, Float32Array.of(1, 0));
    expect([...one].map(Math.abs)).toEqual([0.5, 0.5, 0.5, 0.5]);
    const both = new Float32Array(4);
    const projection = new RandomProjection(2, 4);
    projection.addTo(both, Float32Array.of(2, 3));
    const other = new Float32Array(4);
    projection.addTo(other, Float32Array.of(0, 1));
    both.forEach((value, i) => expect(value).toBeCloseTo(2 * (one[i] as number) + 3 * (other[i] as number), 6));
  });
});

describe('poolPlaces', () => {
  it('averages overlapping bins where the sides do not divide', () => {
    const map = Array.from({ length: 9 }, (_, i) => Float32Array.of(i));
    expect(poolPlaces(map, 2)?.map(([value]) => value)).toEqual([2, 3, 5, 6]);
  });

  it('takes no other shapes', () => {
    const rows = Array.from({ length: 7 }, () => Float32Array.of(1));
    expect(poolPlaces(rows, 2)).toBeUndefined();
    expect(poolPlaces(rows.slice(0, 4), 3)).toBeUndefined();
  });
});

it('packTokens holds the largest piece', () => {
  const layout = { count: 1, dim: 1 };
  expect(pieceOfRow(layout, packTokens(layout, [Float32Array.of(0)], [1024 * 1024 - 1]), 0)).toBe(1024 * 1024 - 1);
});
