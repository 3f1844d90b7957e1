import { mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createRandom, hostTensor } from '@drf/tensor';
import { loadCheckpoint, saveCheckpoint, type Checkpoint } from './checkpoint.js';
import { createDrf, createGatedDrf, drfConfig, initialTrainingState } from './index.js';

const shapes = { imageDim: 6, textDim: 4, classes: 3 };
const method = createDrf(drfConfig(4, { queueCapacity: 5 }), shapes);
const parameters = method.initialParameters(createRandom(1));

function example(): Checkpoint {
  const memory = method.createMemory();
  const observation = {
    features: hostTensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]),
    available: hostTensor([1, 1], [2]),
    density: hostTensor([1, 1], [2]),
    threshold: hostTensor([0], []),
  };
  memory.update({ image: observation, text: observation });
  return {
    method: 'drf',
    state: initialTrainingState(parameters),
    memory: memory.state(),
    position: { step: 12, epoch: 1, stepInEpoch: 2 },
    progress: { best: 0.5 },
  };
}

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
      /parameter gate\.hidden\.bias expected shape \[3\], received none/,
    );
  });

  it('restore the memory', async () => {
    const memory = method.createMemory();
    memory.restore((await loadCheckpoint(path, { method: 'drf', parameters })).memory);
    expect(memory.state()).toEqual(example().memory);
    expect(() => memory.restore({ other: {} })).toThrow(/"imageQueue" with rows and enqueued, received names other/);
  });

  it('leave frozen parameters out when asked to, and take no others for them', async () => {
    const isTrained = (name: string): boolean => !name.startsWith('fusion.');
    await saveCheckpoint(path, example(), (name) => !isTrained(name));
    const whole = (await readFile(path)).length;
    await saveCheckpoint(`${path}.whole`, example());
    expect(whole).toBeLessThan((await readFile(`${path}.whole`)).length);
    const loaded = await loadCheckpoint(path, { method: 'drf', parameters, isTrained });
    expect(loaded.state.parameters).toEqual(example().state.parameters);
    const others = method.initialParameters(createRandom(2));
    await expect(loadCheckpoint(path, { method: 'drf', parameters: others, isTrained })).rejects.toThrow(
      /frozen parameters of checksum [0-9a-f]{64}, received [0-9a-f]{64}; the encoder’s files are not those/,
    );
    await expect(loadCheckpoint(path, { method: 'drf', parameters })).rejects.toThrow(/frozen parameters of checksum/);
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
      /parameter classifier.kernel expected shape \[8, 3\], received \[4, 3\]/,
    );
  });
});
