import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createEncodedMethod, openTrainedEncoders, parseExperiment, RunFolder } from '@drf/experiment';
import type { TrainableTextEncoder } from '@drf/encoders';
import { readSafetensors } from '@drf/files';
import { saveCheckpoint } from '@drf/model/checkpoint';
import { createRandom, hostTensor, mapTree, type HostTensor, type HostTree } from '@drf/tensor';
import { writeTinyBert } from '@drf/encoders/testing';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { encoderOfRun, isRun } from './encoder-of-run.js';
import { exportEncoder } from './export-encoder.js';

const shapes = { imageDim: 6, textDim: 8, classes: 2 };

/** A run of concatenation over a trained tiny BERT, every parameter of which was moved by 1. */
async function makeRun(folder: string, model: string, lora = 0): Promise<string> {
  const config = parseExperiment(
    {
      name: 'tiny',
      method: 'concatenation',
      dataset: { name: 'embedded' },
      encoders: { text: model, trainable: { text: true }, lora: { rank: lora } },
      model: { dim: 4 },
    },
    'tiny',
  );
  const trained = await openTrainedEncoders(config);
  const method = createEncodedMethod(config, shapes, trained);
  const parameters = method.initialParameters(createRandom(1));
  const move = (tree: HostTree): HostTree =>
    mapTree(tree, ({ data, shape }: HostTensor) =>
      hostTensor(
        (data as Float32Array).map((value) => value + 1),
        shape,
      ),
    );
  const moved = { trained: move(parameters.trained), fixed: move(parameters.fixed ?? {}) };
  const run = await RunFolder.create(join(folder, `run-${lora}`), { overwrite: true });
  await saveCheckpoint(run.checkpointPath(1), {
    method: method.id,
    state: { parameters: moved },
    memory: {},
    position: { step: 1, epoch: 1, stepInEpoch: 0 },
    progress: null,
  });
  await run.writeDescription({
    config,
    classes: ['positive', 'negative'],
    encoders: { image: 'an-image-encoder', text: (trained.text as TrainableTextEncoder).id },
    shapes,
    engine: 'eager:cpu',
    versions: { node: '', platform: '', packages: {}, git: null },
    createdAt: '2026-01-01T00:00:00.000Z',
  });
  return run.path;
}

it('exports the encoder of a run as it was trained, and not as it came', async () => {
  const folder = await temporaryFolder();
  const model = await writeTinyBert(join(folder, 'bert'));
  const run = await makeRun(folder, model);
  expect([isRun(run), isRun(model)]).toEqual([true, false]);
  const trained = await encoderOfRun(run, 'text');
  const out = join(folder, 'out');
  await exportEncoder(trained.model, 'text', { out, ...trained });
  const name = 'encoder.layer.1.output.dense.bias';
  const [before, after] = [await readSafetensors(join(model, 'model.safetensors')), await readSafetensors(join(out, 'model.safetensors'))]; // prettier-ignore
  const expected = Array.from(before.tensors.get(name)?.data ?? [], (value) => Math.fround(value + 1));
  expect(expected).toHaveLength(8);
  expect(Array.from(after.tensors.get(name)?.data ?? [])).toEqual(expected);
});

it('merges low-rank updates, so that the folder is an ordinary model', async () => {
  const folder = await temporaryFolder();
  const model = await writeTinyBert(join(folder, 'bert'));
  const { parameters } = await encoderOfRun(await makeRun(folder, model, 2), 'text');
  expect(JSON.stringify(parameters)).not.toContain('lora');
});

it('refuses an encoder that the run did not train', async () => {
  const folder = await temporaryFolder();
  const run = await makeRun(folder, await writeTinyBert(join(folder, 'bert')));
  await expect(encoderOfRun(run, 'image')).rejects.toThrow(
    /Run .* expected one that trained its image encoder, received the frozen encoder embedded; name the model itself/,
  );
});
