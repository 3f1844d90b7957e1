import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { addLora, applyLinear, type LoraOptions, mergeLora } from '@drf/layers';
import { createRandom, flattenTree, hostTensor, type HostTensor, type HostTree, mapTree, named } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyBert, initializeBert } from './bert.js';
import { parseBertConfig } from './families.js';
import { maximumDifference } from '../testing/graph-model.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const CONFIG = parseBertConfig(
  {
    model_type: 'bert',
    hidden_size: 8,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 12,
    vocab_size: 9,
  },
  'test',
);
const LORA: LoraOptions = { rank: 2, alpha: 6, targets: ['query', 'down'] };

function states(parameters: HostTree, lora?: LoraOptions): Float32Array {
  return tf.tidy(() => {
    const inputs = { ids: tf.tensor2d([[1, 2, 3]], undefined, 'int32'), mask: tf.ones([1, 3]) };
    return applyBert(CONFIG, mapTree(parameters, toTensor), inputs, { lora }).tokens.dataSync() as Float32Array;
  });
}

/** The parameters with updates that do something. */
function updated(): HostTree {
  const random = createRandom(2);
  return mapTree(addLora(initializeBert(createRandom(1), CONFIG), LORA, createRandom(1)), (leaf: HostTensor, name) =>
    name.endsWith('loraUp')
      ? hostTensor(
          Float32Array.from(leaf.data, () => random.normal()),
          leaf.shape,
        )
      : leaf,
  ) as HostTree;
}

describe('low-rank updates', () => {
  it('by hand: x·W + (x·down)·up·alpha/rank', () => {
    tf.tidy(() => {
      const parameters = {
        kernel: named(tf.tensor2d([[1, 0], [0, 1]]), ['in', 'out']), // prettier-ignore
        loraDown: named(tf.tensor2d([[1], [2]]), ['in', 'rank']), // prettier-ignore
        loraUp: named(tf.tensor2d([[10, 100]]), ['rank', 'out']), // prettier-ignore
      };
      const x = tf.tensor3d([[[1, 1]]]);
      expect(applyLinear(parameters, x, { rank: 1, alpha: 2, targets: ['query'] }).arraySync()).toEqual([[[61, 601]]]);
      expect(() => applyLinear(parameters, x)).toThrow(
        'applyLinear expected the option lora, for parameters with loraDown and loraUp, received none; pass the options',
      );
    });
  });

  it('are added to the maps that are named, change nothing at first, and follow the seed', () => {
    const parameters = initializeBert(createRandom(1), CONFIG);
    const withLora = addLora(parameters, LORA, createRandom(3));
    const added = [...flattenTree(withLora).keys()].filter((name) => name.includes('lora'));
    expect(added).toEqual([
      'layers.0.attention.query.loraDown',
      'layers.0.attention.query.loraUp',
      'layers.0.mlp.down.loraDown',
      'layers.0.mlp.down.loraUp',
      'layers.1.attention.query.loraDown',
      'layers.1.attention.query.loraUp',
      'layers.1.mlp.down.loraDown',
      'layers.1.mlp.down.loraUp',
    ]);
    const down = flattenTree<HostTensor>(withLora).get('layers.0.mlp.down.loraDown') as HostTensor;
    expect(down.shape).toEqual([12, 2]);
    expect(Math.max(...[...down.data].map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(12));
    expect(states(withLora, LORA)).toEqual(states(parameters));
    expect(addLora(parameters, LORA, createRandom(3))).toEqual(withLora);
    expect(addLora(parameters, LORA, createRandom(4))).not.toEqual(withLora);
  });

  it('merge into the kernels', () => {
    const parameters = updated();
    const merged = mergeLora(parameters, LORA);
    expect([...flattenTree(merged).keys()]).toEqual([...flattenTree(initializeBert(createRandom(1), CONFIG)).keys()]);
    const plain = states(initializeBert(createRandom(1), CONFIG));
    expect(maximumDifference(states(merged), states(parameters, LORA))).toBeLessThan(1e-5);
    expect(maximumDifference(states(merged), plain)).toBeGreaterThan(1e-2);
  });

  it.each([
    [{ ...LORA, rank: 0 }, 'addLora, rank, expected a whole number from 1, received 0'],
    [{ ...LORA, alpha: NaN }, 'addLora, alpha, expected a number above 0, received null'],
    [{ ...LORA, targets: [] }, 'addLora, targets, expected some of query, key, value, output, up, down, received []'],
    [{ ...LORA, targets: ['keys' as 'key'] }, 'received ["keys"]'],
  ])('refuse %o', (options, message) => {
    expect(() => addLora(initializeBert(createRandom(1), CONFIG), options, createRandom(1))).toThrow(message);
    expect(() => addLora({}, LORA, createRandom(1))).toThrow('expected linear maps that the parameters have');
  });
});
