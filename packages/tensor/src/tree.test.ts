import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConfigurationError,
  flattenTree,
  hostTensor,
  mapTree,
  unflattenTree,
  type HostTensor,
  type HostTree,
} from './index.js';
import { toHost, toTensor } from './transfer.js';

describe('parameter trees', () => {
  const tree = { b: hostTensor([1], [1]), a: { y: hostTensor([2, 3], [2]), x: { k: hostTensor([4], []) } } };

  it('flatten to sorted dotted names and back', () => {
    const flat = flattenTree(tree);
    expect([...flat.keys()]).toEqual(['a.x.k', 'a.y', 'b']);
    expect(unflattenTree(flat)).toEqual(tree);
  });

  it('have an order that does not depend on how they were written down', () => {
    const { a, b } = tree;
    const other = { a: { x: a.x, y: a.y }, b };
    expect([...flattenTree(other).keys()]).toEqual([...flattenTree(tree).keys()]);
  });

  it('come back from their flat names, whatever their shape', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 4 })
      .filter((text) => !text.includes('.') && text !== '__proto__');
    const leaf = fc.integer().map((value): HostTensor => hostTensor([value], [1]));
    const { node } = fc.letrec<{ node: HostTree; child: HostTensor | HostTree }>((tie) => ({
      node: fc.dictionary(name, tie('child'), { minKeys: 1, maxKeys: 3 }),
      child: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('node')),
    }));
    fc.assert(
      fc.property(node, (generated) => {
        expect(unflattenTree(flattenTree<HostTensor>(generated))).toEqual({ ...generated });
      }),
      { seed: 4 },
    );
  });

  it('map leaves, host to tensors and back', async () => {
    await tf.setBackend('cpu');
    const tensors = mapTree(tree, toTensor);
    const flat = [...flattenTree(tensors).values()];
    expect((await toHost(flat[1] as tf.Tensor)).data).toEqual(Float32Array.of(2, 3));
    tf.dispose(flat);
  });

  it('tell the mapping function the flat names', () => {
    const names: string[] = [];
    mapTree(tree, (leaf, name) => (names.push(name), leaf));
    expect(names).toEqual(['a.x.k', 'a.y', 'b']);
  });

  it('may be empty', () => {
    expect(flattenTree({}).size).toBe(0);
    expect(unflattenTree([])).toEqual({});
  });

  it('refuse dotted names and clashes', () => {
    expect(() => flattenTree({ 'a.b': hostTensor([1], []) })).toThrow(/names without dots, received "a.b"/);
    const clashes = [
      ['a', 'a.b'],
      ['a.b', 'a'],
      ['a.b', 'a.b'],
      ['a.b.c', 'a.b'],
    ];
    for (const names of clashes) {
      expect(() => unflattenTree(names.map((name, i) => [name, i] as const))).toThrow(ConfigurationError);
      expect(() => unflattenTree(names.map((name, i) => [name, i] as const))).toThrow(
        `unflattenTree expected each name once, as a leaf or as a branch, received "${names[1]}" twice`,
      );
    }
  });

  it('take names that every object has', () => {
    const leaf = hostTensor([1], []);
    const flat = new Map([
      ['constructor', leaf],
      ['toString.valueOf', leaf],
    ]);
    expect(flattenTree(unflattenTree(flat))).toEqual(flat);
  });

  it('cannot reach the prototype of all objects by a name from a file', () => {
    for (const name of ['__proto__.polluted', 'a.__proto__.polluted', '__proto__']) {
      expect(() => unflattenTree([[name, hostTensor([1], [])]])).toThrow(
        `unflattenTree expected names other than __proto__, received "${name}"`,
      );
    }
    expect('polluted' in {}).toBe(false);
  });
});
