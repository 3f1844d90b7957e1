import { addOwnDefinition, ConfigurationError, type Post } from '@drf/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  applyDisruption,
  disruptionKey,
  formatManifest,
  formatStrategy,
  moduleOf,
  parseManifest,
  parseStrategy,
  planDisruptions,
  presenceOf,
  strategyFileName,
  type Disruption,
} from './index.js';

const ID = 'dim@0123456789ab';
const image = { width: 2, height: 2, data: new Uint8Array(12).fill(200) };
const posts = Array.from({ length: 10 }, (_, i): Post => ({ id: `${i}`, image, text: 'what a fine day', label: 0 }));

function add(id: string, spec: string, create: (by: number) => Disruption): void {
  const parseOptions = (given: Readonly<Record<string, unknown>>) => ({ by: Number(given['by'] ?? 2) });
  addOwnDefinition(spec, { id, definition: { name: 'dim', create: ({ by }: { by: number }) => create(by) }, parseOptions }); // prettier-ignore
}

beforeAll(() => {
  add(ID, './dim.ts', (by) => ({
    image: ({ width, height, data }, random) => ({
      width,
      height,
      data: data.map((value) => value / by + random.integer(5)),
    }),
    text: (text) => text.toUpperCase(),
  }));
  add('words@0123456789ab', './words.ts', () => ({ text: (text) => text.slice(0, 4) }));
  add('wrong@0123456789ab', './wrong.ts', () => ({ image: () => ({ width: 1, height: 1, data: new Uint8Array(3) }) }));
});

describe('disruptions of the user’s own', () => {
  it('are written by module or id, with a ratio and options', () => {
    const strategy = { kind: 'own', own: `${ID}:by=4`, ratio: 0.4 };
    expect(parseStrategy('./dim.ts:0.4:by=4')).toEqual(strategy);
    expect(parseStrategy(`${ID}:0.4:by=4`)).toEqual(strategy);
    expect(formatStrategy(parseStrategy('./dim.ts:0.4:by=4'))).toBe(`${ID}:0.4:by=4`);
    expect(parseStrategy('./dim.ts')).toEqual({ kind: 'own', own: ID, ratio: 1 });
    const independent = parseStrategy('./dim.ts:0.4:independent');
    expect(independent).toEqual({ kind: 'own', own: ID, ratio: 0.4, independent: true });
    expect(parseStrategy(formatStrategy(independent))).toEqual(independent);
    expect(strategyFileName(parseStrategy('./dim.ts:0.4:by=4'))).toBe(`${ID}-0.4-by=4`);
    expect(['./dim.ts:0.4', 'package:dim:0.4', `${ID}:1`, 'random:0.6:C'].map(moduleOf)).toEqual(['./dim.ts', 'package:dim', undefined, undefined]); // prettier-ignore
  });

  it('are refused where a part is wrong, and where the module was not named', () => {
    expect(() => parseStrategy('./dim.ts:2')).toThrow('expected a ratio from 0 to 1, received "2"');
    expect(() => parseStrategy('./dim.ts:0.5:by')).toThrow('expected options such as radius=3 after the ratio, received "by"'); // prettier-ignore
    expect(() => parseStrategy('./absent.ts:0.5')).toThrow(ConfigurationError);
    const stored = parseStrategy('gone@0123456789ab:0.5'); // to read a report, nothing need be run
    expect(() => planDisruptions(posts.map(presenceOf), stored, 7)).toThrow('--own ./its-module.ts');
  });

  it('disrupt the ratio of the posts that was asked for, again and again alike', () => {
    const strategy = parseStrategy('./dim.ts:0.6:by=4');
    const entries = planDisruptions(posts.map(presenceOf), strategy, 7);
    expect(entries).toHaveLength(6);
    expect(new Set(entries.map(({ modality }) => modality))).toEqual(new Set(['image', 'text']));
    const apply = (): Post[] => entries.map((entry) => applyDisruption(posts[Number(entry.id)] as Post, entry));
    expect(apply()).toEqual(apply());
    for (const [i, post] of apply().entries()) {
      const isText = entries[i]?.modality === 'text';
      expect(post.text).toBe(isText ? 'WHAT A FINE DAY' : 'what a fine day');
      expect(post.image?.data.every((value) => (isText ? value === 200 : value >= 50 && value < 55))).toBe(true);
    }
    const keys = entries.map((entry) => disruptionKey(entry, { modality: entry.modality }));
    expect(keys[0]).toBe(`${entries[0]?.modality}:own:${ID}:by=4:${entries[0]?.seed}`);
    expect(new Set(keys).size).toBe(6);
  });

  it('keep to the modalities that they take', () => {
    const entries = planDisruptions(posts.map(presenceOf), parseStrategy('./words.ts'), 7);
    expect(entries).toHaveLength(10);
    expect(entries.every(({ modality }) => modality === 'text')).toBe(true);
  });

  it('must give an image of the same size', () => {
    const [entry] = planDisruptions(posts.map(presenceOf), parseStrategy('./wrong.ts'), 7);
    expect(() => applyDisruption(posts[0] as Post, entry)).toThrow('expected an image of 2 × 2, received 1 × 1');
  });

  it('are kept by manifests', () => {
    const strategy = parseStrategy('./dim.ts:0.6');
    const entries = planDisruptions(posts.map(presenceOf), strategy, 7);
    const text = formatManifest('m', { seed: 7, strategy, imageSize: null }, entries);
    expect(parseManifest('m', text).entries).toEqual(entries);
    const other = text.replace(`"own":"${ID}"`, '"own":"other@0123456789ab"');
    expect(() => parseManifest('m', other)).toThrow(`expected a disruption of the strategy ${ID}:0.6`);
  });
});
