import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  createRandom,
  flattenTree,
  MODALITIES,
  withLeaves,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type PerPost,
  type TensorTree,
} from '@drf/tensor';
import { loadCheckpoint, saveCheckpoint } from '@drf/model/checkpoint';
import { relativeError } from '@drf/model/testing';
import {
  ADAMW_DEFAULTS,
  prepareTraining,
  stepSchedule,
  valueAndGradients,
  type BatchInputs,
  type Method,
  type MethodParameters,
  type MethodShapes,
  type SavedState,
} from '@drf/model';
import { EXAMPLE_SHAPES, fillAbsent, tokenExample, type TokenExample } from './testing/token-examples.js';

export interface MethodContractCase {
  readonly create: (shapes: MethodShapes) => Method;
  /** Steps after which 16 random posts are learned by heart, and the learning rate. */
  readonly overfit: { readonly steps: number; readonly rate: number };
}

type Flat = Map<string, number[]>;

/** What every method does, whatever its mechanism. */
export function describeMethodContract(name: string, test: MethodContractCase): void {
  describe(`method contract: ${name}`, () => {
    let eager: Engine;
    let compiled: Engine;
    beforeAll(async () => {
      await tf.setBackend('cpu');
      eager = await createEngine('eager:cpu');
      compiled = await createEngine('compiled');
    });
    afterAll(async () => {
      await eager.dispose();
      await compiled.dispose();
    });

    const method = test.create(EXAMPLE_SHAPES);
    const parameters = method.initialParameters(createRandom(3));

    it('says who it is and makes the same parameters from the same seed', () => {
      expect(method.id).toBe(name);
      expect(test.create(EXAMPLE_SHAPES).initialParameters(createRandom(3))).toEqual(parameters);
      const other = flattenTree<HostTensor>(method.initialParameters(createRandom(4)));
      expect([...other].some(([leaf, { data }]) => data[0] !== flattenTree<HostTensor>(parameters).get(leaf)?.data[0])).toBe(true); // prettier-ignore
    });

    it('gives finite probabilities that sum to one, each post’s its own', async () => {
      const { batch } = tokenExample();
      const all = await predict(eager, method, parameters, batch);
      expect(all.shape).toEqual([6, 3]);
      const alone = await predict(eager, method, parameters, tokenExample({ posts: 1 }).batch);
      for (let post = 0; post < 6; post++) {
        const row = [...all.data].slice(post * 3, post * 3 + 3);
        expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
        expect(row.every((value) => value > 0)).toBe(true);
      }
      const first = firstPosts(tokenExample(), 1);
      const again = await predict(eager, method, parameters, first.batch);
      expect(relativeError([...again.data], [...all.data].slice(0, 3))).toBeLessThan(1e-5);
      expect(alone.shape).toEqual([1, 3]);
    });

    it('depends on the modalities that it reads, and on no other', async () => {
      const example = tokenExample({ missing: false });
      const base = await predict(eager, method, parameters, example.batch);
      const other = tokenExample({ missing: false, seed: 2 }).batch;
      for (const modality of MODALITIES) {
        const changed = { ...example.batch, [modality]: other[modality] };
        const moved = await predict(eager, method, parameters, changed);
        if (method.needs?.reads?.includes(modality) === false) expect(moved.data).toEqual(base.data);
        else expect(relativeError([...moved.data], [...base.data])).toBeGreaterThan(1e-3);
      }
    });

    it('sends a gradient to every trained parameter', async () => {
      const memory = await seenMemory(eager, method, parameters);
      const outputs = await evaluate(eager, method, parameters, tokenExample({ posts: 16 }), memory);
      const names = [...flattenTree<HostTensor>(parameters.trained).keys()];
      const without = names.filter((leaf) => !outputs.get(`gradients.${leaf}`)?.some((value) => value !== 0));
      expect(without).toEqual([]);
      expect([...outputs.values()].flat().every(Number.isFinite)).toBe(true);
    });

    it('is not influenced by rows of missing modalities or tokens that do not stand', async () => {
      const memory = await seenMemory(eager, method, parameters);
      const example = tokenExample({ posts: 6 });
      const base = await evaluate(eager, method, parameters, fillAbsent(example, 0), memory);
      for (const value of [NaN, 1e30]) {
        const filled = await evaluate(eager, method, parameters, fillAbsent(example, value), memory);
        expect(filled, String(value)).toEqual(base);
      }
    });

    it('gives the same losses, gradients and outputs eagerly and compiled', async () => {
      const memory = await seenMemory(eager, method, parameters);
      const example = tokenExample({ posts: 6 });
      const expected = await evaluate(eager, method, parameters, example, memory);
      const actual = await evaluate(compiled, method, parameters, example, memory);
      for (const [leaf, values] of expected) {
        if (Math.max(...values.map(Math.abs)) < 1e-6) continue; // rounding alone
        expect(relativeError(actual.get(leaf), values), leaf).toBeLessThan(2e-4);
      }
    });

    it('learns 16 posts by heart', async () => {
      const { steps, rate } = test.overfit;
      const example = tokenExample({ posts: 16, missing: false });
      const trained = await train(compiled, method, parameters, example, steps, rate);
      const { data } = await predict(compiled, method, trained.parameters, example.batch, trained.memory);
      const right = [...example.labels.data].filter((label, post) => {
        const row = [...data].slice(post * 3, post * 3 + 3);
        return row.indexOf(Math.max(...row)) === label;
      });
      expect(right).toHaveLength(16);
    });

    it('trains the same way twice, and on from a checkpoint', async () => {
      const example = tokenExample({ posts: 6 });
      const straight = await train(eager, method, parameters, example, 4, 1e-2);
      const half = await train(eager, method, parameters, example, 2, 1e-2, undefined, 4);
      const path = join(await mkdtemp(join(tmpdir(), 'drf-method-')), 'step-2.safetensors');
      await saveCheckpoint(path, {
        method: method.id,
        state: half.state,
        memory: half.memoryState,
        position: { step: 2, epoch: 0, stepInEpoch: 2 },
        progress: null,
      });
      const saved = await loadCheckpoint(path, { method: method.id, parameters });
      const { moments = half.state.moments, ...others } = saved.state;
      const from = { state: { ...others, moments }, memory: saved.memory };
      const rest = await train(eager, method, parameters, example, 4, 1e-2, from, 4);
      expect(rest.state).toEqual(straight.state);
      expect(rest.memoryState).toEqual(straight.memoryState);
    });
  });
}

/** The first posts of an example. */
function firstPosts({ batch, labels }: TokenExample, count: number): TokenExample {
  const cut = (host: HostTensor): HostTensor => {
    const size = host.data.length / (host.shape[0] as number);
    return { ...host, data: host.data.slice(0, count * size), shape: [count, ...host.shape.slice(1)] };
  };
  const leaves = new Map([...flattenTree<HostTensor>(batch)].map(([name, leaf]) => [name, cut(leaf)]));
  return { batch: withLeaves(batch, leaves), labels: cut(labels) };
}

async function predict(
  engine: Engine,
  method: Method,
  parameters: Host<MethodParameters>,
  batch: Host<BatchInputs>,
  memory: HostTree = method.createMemory().inputs(),
): Promise<HostTensor> {
  type Inputs = { parameters: MethodParameters; batch: BatchInputs; memory?: TensorTree };
  const program = await engine.prepare(
    (_: TensorTree, inputs: Inputs) => ({
      probabilities: method.predict(inputs.parameters, inputs.batch, inputs.memory ?? {}).probabilities,
    }),
    {},
  );
  const { probabilities } = await program.run({ parameters, batch, memory });
  await program.dispose();
  return probabilities;
}

/** Losses, gradients of trained parameters, predictions and observations, by flat name. */
async function evaluate(
  engine: Engine,
  method: Method,
  parameters: Host<MethodParameters>,
  { batch, labels }: TokenExample,
  memory: HostTree,
): Promise<Flat> {
  type Inputs = { parameters: MethodParameters; batch: BatchInputs; labels: PerPost; memory?: TensorTree };
  const program = await engine.prepare((_: TensorTree, inputs: Inputs) => {
    const { trained, fixed } = inputs.parameters;
    const { loss, gradients, auxiliary } = valueAndGradients((own) => {
      const result = method.loss({ trained: own, fixed }, inputs.batch, inputs.labels, inputs.memory ?? {});
      const { parts, observations, prediction } = result;
      return { loss: result.total, auxiliary: { parts, observations, probabilities: prediction.probabilities } };
    }, trained);
    return { total: loss, gradients, ...auxiliary };
  }, {});
  const outputs = await program.run({ parameters, batch, labels, memory });
  await program.dispose();
  return new Map([...flattenTree<HostTensor>(outputs)].map(([leaf, { data }]) => [leaf, [...data]]));
}

type Trained = {
  readonly state: Host<SavedState>;
  readonly parameters: Host<MethodParameters>;
  readonly memory: HostTree;
  readonly memoryState: HostTree;
};

async function train(
  engine: Engine,
  method: Method,
  parameters: Host<MethodParameters>,
  { batch, labels }: TokenExample,
  steps: number,
  rate: number,
  from?: { readonly state: Trained['state']; readonly memory: HostTree },
  totalSteps = steps,
): Promise<Trained> {
  const memory = method.createMemory();
  const program = await prepareTraining(engine, method, parameters, ADAMW_DEFAULTS);
  if (from !== undefined) {
    await program.writeState(from.state);
    memory.restore(from.memory);
  }
  for (let step = from === undefined ? 0 : 2; step < steps; step++) {
    const schedule = stepSchedule(step, totalSteps, { encoder: rate, head: rate, floor: 1e-6 }, ADAMW_DEFAULTS);
    const result = await program.learn({ batch, labels, memory: memory.inputs(), schedule });
    memory.update(result.observations);
  }
  const state = structuredClone(await program.readState());
  await program.dispose();
  return { state, parameters: state.parameters, memory: memory.inputs(), memoryState: memory.state() };
}

/** A memory that has seen two batches. */
async function seenMemory(engine: Engine, method: Method, parameters: Host<MethodParameters>): Promise<HostTree> {
  const { memory } = await train(engine, method, parameters, tokenExample({ posts: 8, seed: 5 }), 2, 1e-3);
  return memory;
}
