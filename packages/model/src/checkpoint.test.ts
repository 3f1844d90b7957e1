import { mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  byModality,
  createRandom,
  flattenTree,
  hostTensor,
  type ByModality,
  type HostTensor,
  type TensorTree,
} from '@drf/tensor';
import { tinyTextEncoder } from './testing/tiny-encoders.js';
import { loadCheckpoint, saveCheckpoint, type Checkpoint } from './checkpoint.js';
import {
  createDrf,
  createGatedDrf,
  drfConfig,
  initialMoments,
  withClassWeights,
  withEncoders,
  type BatchInputs,
  type Method,
  type MethodParameters,
} from './index.js';

const shapes = { imageDim: 6, textDim: 4, classes: 3 };
const method = createDrf(drfConfig(4, { queueCapacity: 5 }), shapes);
const parameters = method.initialParameters(createRandom(1));

function example(): Checkpoint {
  const memory = method.createMemory();
  const observation = { features: hostTensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]), admitted: hostTensor([1, 1], [2]) };
  memory.update({ image: observation, text: observation });
  return {
    method: 'drf',
    state: { parameters, moments: initialMoments(parameters.trained) },
    memory: memory.state(),
    position: { step: 12, epoch: 1, stepInEpoch: 2 },
    progress: { best: 0.5 },
  };
}

type Plain = { readonly shape: number[]; readonly data: number[] };
/** A batch and the probabilities that the code of then gave for it. */
type Former = {
  readonly standardization: ByModality<{ readonly mean: number[]; readonly std: number[] }>;
  readonly batch: Readonly<Record<'image' | 'text' | 'imageAvailable' | 'textAvailable', Plain>>;
  readonly probabilities: Plain;
};

describe('checkpoints', () => {
  let path: string;
  beforeEach(async () => {
    path = join(await mkdtemp(join(tmpdir(), 'drf-checkpoint-')), 'step-12.safetensors');
    await saveCheckpoint(path, example());
  });

  it('come back as they were', async () => {
    expect(await loadCheckpoint(path, { method: 'drf', parameters })).toEqual(example());
  });

  it('of before there was a better drf are taken for the paper’s, and refused by the better one', async () => {
    const loaded = await loadCheckpoint(path, { method: 'drf-adapted', parameters });
    expect(loaded).toEqual({ ...example(), method: 'drf-adapted' });
    await expect(loadCheckpoint(path, { method: 'drf-paper', parameters })).rejects.toThrow(
      /expected method drf-paper, received drf/,
    );
    const gated = createGatedDrf(
      { ...drfConfig(4, { queueCapacity: 5 }), gaussianRank: 2, gateHidden: 3, pairSupervision: 1 },
      shapes,
    );
    const like = gated.initialParameters(createRandom(1));
    await expect(loadCheckpoint(path, { method: 'drf', parameters: like })).rejects.toThrow(
      /parameter trained\.gate\.hidden\.bias expected shape \[3\], received none/,
    );
  });

  it('restore the memory', async () => {
    const memory = method.createMemory();
    memory.restore((await loadCheckpoint(path, { method: 'drf', parameters })).memory);
    expect(memory.state()).toEqual(example().memory);
    expect(() => memory.restore({ other: {} })).toThrow(
      /"image.queue" expected rows and enqueued, received names other/,
    );
  });

  it('leave encoders’ frozen parameters out when asked to, and take no others for them', async () => {
    const freshWith = (seed: number) =>
      withEncoders(method, { text: tinyTextEncoder(4, seed) }).initialParameters(createRandom(1));
    const over = freshWith(11);
    const checkpoint = { ...example(), state: { parameters: over, moments: initialMoments(over.trained) } };
    await saveCheckpoint(path, checkpoint, false);
    await saveCheckpoint(`${path}.whole`, checkpoint);
    expect((await readFile(path)).length).toBeLessThan((await readFile(`${path}.whole`)).length);
    expect((await loadCheckpoint(path, { method: 'drf', parameters: over })).state.parameters).toEqual(over);
    await expect(loadCheckpoint(path, { method: 'drf', parameters: freshWith(12) })).rejects.toThrow(
      /frozen parameters of checksum [0-9a-f]{64}, received [0-9a-f]{64}; the encoder’s files are not those/,
    );
    await expect(loadCheckpoint(path, { method: 'drf', parameters })).rejects.toThrow(/frozen parameters of checksum/);
  });

  it('of the former version, which knew names alone, give the numbers that they gave', async () => {
    const file = (name: string) => new URL(`../fixtures/former-checkpoint.${name}`, import.meta.url);
    const { standardization, batch, probabilities } = JSON.parse(await readFile(file('json'), 'utf8')) as Former;
    const moments = byModality((modality) => {
      const { mean, std } = standardization[modality];
      return { mean: Float32Array.from(mean), std: Float32Array.from(std) };
    });
    const former: Method = withClassWeights(
      createGatedDrf(
        {
          ...drfConfig(3, { queueCapacity: 16, weighting: 'normalized', fusionLayers: 2 }),
          gaussianRank: 2,
          gateHidden: 2,
          pairSupervision: 1,
        },
        { imageDim: 4, textDim: 3, classes: 2, standardization: moments },
      ),
      Float32Array.of(1, 1),
    );
    const fresh = former.initialParameters(createRandom(99));
    const loaded = await loadCheckpoint(fileURLToPath(file('safetensors')), { method: 'drf', parameters: fresh });
    expect((loaded.state.parameters.fixed?.classWeights as HostTensor).data).toEqual(Float32Array.of(1, 2));
    const names = [...flattenTree<HostTensor>(fresh.trained).keys()];
    expect(names).toContain('image.projection.kernel');
    expect([...flattenTree<HostTensor>(loaded.state.moments?.second ?? {}).keys()]).toEqual(names);
    const memory = former.createMemory();
    memory.restore(loaded.memory);
    const engine = await createEngine('eager:cpu');
    type Inputs = { readonly batch: BatchInputs; readonly parameters: MethodParameters; readonly memory: TensorTree };
    const program = await engine.prepare(
      (_: TensorTree, given: Inputs) => ({
        probabilities: former.predict(given.parameters, given.batch, given.memory).probabilities,
      }),
      {},
    );
    const host = ({ shape, data }: Plain): HostTensor => hostTensor(data, shape);
    const outputs = await program.run({
      parameters: loaded.state.parameters,
      memory: memory.inputs(),
      batch: {
        image: { features: host(batch.image), available: host(batch.imageAvailable) },
        text: { features: host(batch.text), available: host(batch.textAvailable) },
      },
    });
    await engine.dispose();
    expect(outputs.probabilities).toEqual(host(probabilities));
  });

  it('are refused when truncated', async () => {
    const size = (await readFile(path)).length;
    for (const length of [0, 5, 40, size - 1]) {
      await saveCheckpoint(path, example());
      await truncate(path, length);
      await expect(loadCheckpoint(path, { method: 'drf', parameters })).rejects.toThrow(
        /step-12\.safetensors expected .*truncated, damaged or not safetensors/,
      );
    }
  });

  it('are refused when damaged', async () => {
    const bytes = await readFile(path);
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 0xff;
    await writeFile(path, bytes);
    await expect(loadCheckpoint(path, { method: 'drf', parameters })).rejects.toThrow(
      /checksum .* the file is damaged/,
    );
  });

  it('are refused when foreign', async () => {
    await writeFile(path, 'PK\u0003\u0004 this is some other file');
    await expect(loadCheckpoint(path, { method: 'drf', parameters })).rejects.toThrow(/expected a header of at most/);
  });

  it('are refused when of another method or shape', async () => {
    await expect(loadCheckpoint(path, { method: 'concatenation', parameters })).rejects.toThrow(
      /expected method concatenation, received drf/,
    );
    const other = createDrf(drfConfig(8), shapes).initialParameters(createRandom(1));
    await expect(loadCheckpoint(path, { method: 'drf', parameters: other })).rejects.toThrow(
      /parameter trained\.classifier\.kernel expected shape \[8, 3\], received \[4, 3\]/,
    );
  });
});
