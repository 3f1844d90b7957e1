import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { WEIGHTING_MODES } from '@drf/fusion';
import { flattenTree, hostTensor, unflattenTree, type Host, type HostTensor } from '@drf/tensor';
import { evaluate, relativeError } from './testing/examples.js';
import {
  ADAMW_DEFAULTS,
  createDrf,
  DrfMemory,
  drfConfig,
  prepareTraining,
  stepSchedule,
  type DrfObservations,
  type Method,
} from './index.js';

/** The committed file (fixtures/make-golden-step.py made it), and further ones where they lie beside the repository. */
const FILES = [
  new URL('../fixtures/golden-step.json', import.meta.url),
  new URL('../../../../shared/golden/drf-step.json', import.meta.url),
].map((file) => ({ file, name: file.pathname.split('/').at(-1) as string, isPresent: existsSync(file) }));

type Numbers = number | Numbers[];
type Record = { [name: string]: Numbers & Record };

function hostOf(value: Numbers, whole = false): HostTensor {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0] as Numbers) shape.push(level.length);
  const numbers = [value].flat(Infinity as 1).map(Number);
  return hostTensor(whole ? Int32Array.from(numbers) : numbers, shape);
}

const numbersOf = (value: unknown): number[] => [value as Numbers].flat(Infinity as 1).map(Number);

/** The file's own names for gradients and parameters are flat ones. */
const flatNumbers = (record: Record): Map<string, number[]> =>
  new Map(Object.entries(record).map(([name, value]) => [name, numbersOf(value)]));

for (const { file, name: fileName, isPresent } of FILES) {
  const why = isPresent ? '' : ' (skipped: the file is absent)';
  describe.skipIf(!isPresent)(`the golden step ${fileName}, computed elsewhere in double precision${why}`, () => {
    it.each(WEIGHTING_MODES)('%s: losses, outputs, gradients, update and queues', async (weighting) => {
      await tf.setBackend('cpu');
      const golden = JSON.parse(readFileSync(file, 'utf8')) as Record;
      const { inputs, params, modes, losses, enqueue, shapes } = golden as unknown as { [name: string]: Record } & {
        shapes: { [name: string]: number };
      };
      const mode = (modes as Record)[weighting] as Record;
      const tensor = (name: string, whole = false): HostTensor => hostOf((inputs as Record)[name] as Numbers, whole);
      const trained = unflattenTree(
        Object.entries(params as Record).map(([name, value]) => [name, hostOf(value)] as const),
      );
      const { dim, queue: capacity, classes } = shapes as { dim: number; queue: number; classes: number };
      const method: Method = createDrf(
        drfConfig(dim, { weighting, queueCapacity: capacity, recoveryTargetGradient: false }),
        { imageDim: dim, textDim: dim, classes },
      );
      const memory = new DrfMemory({ capacity, dim });
      memory.queue('image').enqueue(tensor('imageQueue'));
      memory.queue('text').enqueue(tensor('textQueue'));
      const batch = {
        image: { features: tensor('image'), available: tensor('imageAvailable') },
        text: { features: tensor('text'), available: tensor('textAvailable') },
      };
      const labels = tensor('labels', true);
      const engine = await createEngine('eager:cpu');
      const outputs = await evaluate(engine, { method, parameters: { trained }, batch, labels }, memory.inputs());
      const close = (name: string, actual: number[] | undefined, due: unknown, tolerance: number): void =>
        expect(relativeError(actual, numbersOf(due)), name).toBeLessThan(tolerance);

      close('total', outputs.get('total'), mode.total, 1e-6);
      close('weights', outputs.get('prediction.details.weights'), mode.weights, 1e-5);
      close('logits', outputs.get('prediction.logits'), mode.logits, 1e-5);
      close('probabilities', outputs.get('prediction.probabilities'), mode.probabilities, 1e-5);
      close('classification', outputs.get('parts.classification'), mode.classification, 1e-6);
      for (const [name, value] of Object.entries(losses as Record).filter(([name]) => name !== 'recovery')) {
        close(name, outputs.get(`parts.${name}`), value, 1e-5);
      }
      const gradients = flatNumbers(mode.gradients as Record);
      expect(gradients.size).toBe(flattenTree<HostTensor>(trained).size + 2);
      for (const [name, slopes] of gradients) {
        const key = name === 'image' || name === 'text' ? `gradients.${name}` : `gradients.parameters.${name}`;
        close(name, outputs.get(key), slopes, 1e-4);
      }

      const program = await prepareTraining(engine, method, { trained }, ADAMW_DEFAULTS);
      const { learningRate } = mode.adamw as unknown as { learningRate: number };
      const rates = { encoder: learningRate, head: learningRate, floor: learningRate };
      const schedule = stepSchedule(0, 1, rates, ADAMW_DEFAULTS);
      const step = await program.learn({ batch, labels, memory: memory.inputs(), schedule });
      const updated = flattenTree<HostTensor>((await program.readState()).parameters.trained);
      for (const [name, values] of flatNumbers((mode.adamw as Record).params as Record)) {
        close(name, [...(updated.get(name) as HostTensor).data], values, 1e-4);
      }
      memory.update(step.observations as Host<DrfObservations>);
      for (const modality of ['image', 'text'] as const) {
        const after = [...memory.queue(modality).rows().data];
        close(`${modality} queue`, after, (enqueue as Record)[`${modality}QueueAfter`], 1e-6);
      }
      await engine.dispose();
    });
  });
}
