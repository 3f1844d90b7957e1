import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { dropOut, dropoutSeeds } from '@drf/layers';
import { createRandom, type HostTensor, type HostTree, type TensorTree } from '@drf/tensor';
import type { TrainableOptions } from '../huggingface/open-model.js';
import { openTrainableEncoder } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { gradientImage } from '../testing/images.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';

const ENGINES = ['eager:cpu', 'eager:wasm', 'compiled'] as const;

function seeds(...posts: number[]): HostTensor {
  return dropoutSeeds(posts.map((post) => createRandom('dropout').fork(post)));
}

/** What is left of ones, [batch, rows, columns]. */
async function masks(engineName: string, own: HostTensor, [rows, columns]: [number, number], rate: number, place = 0) {
  const engine = await createEngine(engineName);
  try {
    const batch = own.shape[0] as number;
    const compute = (_: TensorTree, inputs: TensorTree): TensorTree => ({
      left: dropOut(tf.ones([batch, rows, columns]), rate, inputs['seeds'] as tf.Tensor, place),
    });
    const program = await engine.prepare(compute, {});
    const { left } = (await program.run({ seeds: own })) as Record<string, HostTensor>;
    await program.dispose();
    return [...(left as HostTensor).data];
  } finally {
    await engine.dispose();
  }
}

function shareOf(values: readonly number[], fits: (value: number, i: number) => boolean): number {
  return values.filter(fits).length / values.length;
}

describe('dropOut', () => {
  it('drops the share that it is told, keeps the mean, and is the same on every engine', async () => {
    for (const rate of [0.1, 0.5]) {
      const left = await masks('eager:cpu', seeds(1, 2), [150, 200], rate);
      // 60,000 values: three standard deviations are less than 0.0062
      expect(Math.abs(shareOf(left, (value) => value === 0) - rate)).toBeLessThan(0.0062);
      expect(left.filter((value) => value !== 0).every((value) => Math.abs(value - 1 / (1 - rate)) < 1e-3)).toBe(true);
      for (const engine of ENGINES) expect(await masks(engine, seeds(1, 2), [150, 200], rate)).toEqual(left);
    }
  });

  it('drops other values in other posts, rows, columns and places, as if independently', async () => {
    const [rows, columns] = [100, 100];
    const left = await masks('eager:cpu', seeds(1, 2), [rows, columns], 0.5);
    const [first, second] = [left.slice(0, rows * columns), left.slice(rows * columns)];
    const elsewhere = await masks('eager:cpu', seeds(1), [rows, columns], 0.5, 1);
    const shifted = (by: number) => shareOf(first.slice(by), (value, i) => value === first[i]);
    // of two independent masks half of the values agree; 10,000 values: four standard deviations are 0.02
    for (const agreeing of [
      shareOf(first, (value, i) => value === second[i]),
      shareOf(first, (value, i) => value === elsewhere[i]),
      shifted(1),
      shifted(2),
      shifted(columns),
      shifted(3 * columns),
    ]) {
      expect(Math.abs(agreeing - 0.5)).toBeLessThan(0.02);
    }
  });

  it('drops the same of a post whatever stands beside it', async () => {
    const both = await masks('eager:cpu', seeds(1, 2), [7, 9], 0.3);
    expect(await masks('eager:cpu', seeds(2), [7, 9], 0.3)).toEqual(both.slice(63));
  });
});

const CONTENTS = {
  text: ['a good day', 'the bad movie !'],
  image: [gradientImage('a', 16, 16), gradientImage('b', 16, 16)],
};

describe.each(['compiled', 'eager:wasm'])('dropout of a trained encoder, %s', (engineName) => {
  /** Features, and the gradients of their squares, of a tiny encoder. */
  async function run(
    modality: 'text' | 'image',
    options: TrainableOptions,
    posts: readonly number[],
    own: HostTensor | undefined,
  ): Promise<{ readonly features: HostTensor; readonly slope: HostTensor }> {
    const engine = await createEngine(engineName);
    try {
      const folder = await (modality === 'text' ? writeTinyBert : writeTinyVit)(await temporaryFolder());
      const encoder = await openTrainableEncoder(folder, modality, options);
      const contents = posts.map((post) => CONTENTS[modality][post]) as never[];
      const inputs: HostTree = {
        ...(await encoder.preprocess(contents)),
        ...(own === undefined ? {} : { dropout: own }),
      };
      const name = 'layers.0.mlp.up.kernel';
      const compute = (parameters: TensorTree, given: TensorTree): TensorTree => {
        const kernelOf = (tree: TensorTree) =>
          name
            .split('.')
            .reduce((at: TensorTree | tf.Tensor, key) => (at as TensorTree)[key] as TensorTree, tree) as tf.Tensor;
        const replaced = (kernel: tf.Tensor): TensorTree => {
          const [layers, first] = [
            parameters['layers'] as TensorTree,
            (parameters['layers'] as TensorTree)['0'] as TensorTree,
          ];
          const mlp = first['mlp'] as TensorTree;
          const up = { ...(mlp['up'] as TensorTree), kernel };
          return { ...parameters, layers: { ...layers, '0': { ...first, mlp: { ...mlp, up } } } };
        };
        const loss = (kernel: tf.Tensor) =>
          tf.sum(tf.mul(tf.square(encoder.apply(replaced(kernel), given)), tf.range(0, 8, 1, 'float32')));
        return { features: encoder.apply(parameters, given), slope: tf.grad(loss)(kernelOf(parameters)) };
      };
      const program = await engine.prepare(compute, encoder.initialParameters);
      const result = await program.run(inputs);
      await program.dispose();
      await encoder.dispose();
      return result as unknown as { features: HostTensor; slope: HostTensor };
    } finally {
      await engine.dispose();
    }
  }

  it.each(['text', 'image'] as const)(
    'changes features as the seeds say, and nothing without them: %s',
    async (modality) => {
      const plain = await run(modality, { dropout: 0.3 }, [0, 1], undefined);
      const none = await run(modality, { dropout: 0 }, [0, 1], seeds(1, 2));
      const dropped = await run(modality, { dropout: 0.3 }, [0, 1], seeds(1, 2));
      const other = await run(modality, { dropout: 0.3 }, [0, 1], seeds(3, 4));
      expect(maximumDifference(none.features.data, plain.features.data)).toBeLessThan(1e-6);
      expect(maximumDifference(dropped.features.data, plain.features.data)).toBeGreaterThan(1e-2);
      expect(maximumDifference(dropped.features.data, other.features.data)).toBeGreaterThan(1e-2);
      expect(await run(modality, { dropout: 0.3 }, [0, 1], seeds(1, 2))).toEqual(dropped);
    },
  );

  // eagerly tfjs' own check of memory, which tests switch on, takes what a computed layer keeps for a leak
  it.runIf(engineName === 'compiled').each(['text', 'image'] as const)(
    'is the same where layers are computed anew: %s',
    async (modality) => {
      const kept = await run(modality, { dropout: 0.3 }, [0, 1], seeds(1, 2));
      const anew = await run(modality, { dropout: 0.3, recompute: true }, [0, 1], seeds(1, 2));
      expect(maximumDifference(anew.features.data, kept.features.data)).toBeLessThan(1e-5);
      expect(Math.max(...kept.slope.data.map(Math.abs))).toBeGreaterThan(1e-3);
      expect(maximumDifference(anew.slope.data, kept.slope.data)).toBeLessThan(1e-4);
    },
  );

  it('is the same for a post in a batch and alone', async () => {
    const both = await run('image', { dropout: 0.3 }, [0, 1], seeds(1, 2));
    const alone = await run('image', { dropout: 0.3 }, [1], seeds(2));
    expect(maximumDifference(alone.features.data, both.features.data.slice(8))).toBeLessThan(1e-5);
  });

  it('has the rates of the configuration by default: 0.1 for BERT, none for ViT', async () => {
    const bert = await run('text', {}, [0, 1], seeds(1, 2));
    expect(
      maximumDifference(bert.features.data, (await run('text', { dropout: 0.1 }, [0, 1], seeds(1, 2))).features.data),
    ).toBe(0);
    const vit = await run('image', {}, [0, 1], seeds(1, 2));
    expect(
      maximumDifference(vit.features.data, (await run('image', {}, [0, 1], undefined)).features.data),
    ).toBeLessThan(1e-6);
  });
});
