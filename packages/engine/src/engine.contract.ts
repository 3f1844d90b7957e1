import * as tf from '@tensorflow/tfjs';
import { hostTensor, type Engine, type Host, type HostTensor } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** A tree without leaves. */
type Nothing = Record<string, never>;

type Vector = { readonly x: tf.Tensor };
type Counter = { readonly total: tf.Tensor; readonly inner: { readonly steps: tf.Tensor } };

const linear = (constants: { readonly weight: tf.Tensor }, inputs: Vector) => ({
  product: tf.matMul(inputs.x, constants.weight),
  nested: { sum: tf.sum(inputs.x) },
});

const accumulate = (state: Counter, inputs: Vector) => {
  const total = tf.add(state.total, inputs.x);
  return { state: { total, inner: { steps: tf.add(state.inner.steps, 1) } }, outputs: { mean: tf.mean(total) } };
};

const zeroCounter: Host<Counter> = { total: hostTensor([0, 0], [2]), inner: { steps: hostTensor([0], []) } };

function numbers(tensor: HostTensor): number[] {
  return Array.from(tensor.data);
}

/** What every engine does, whatever runs below it. */
export function describeEngineContract(name: string, create: () => Promise<Engine>): void {
  describe(`engine contract: ${name}`, () => {
    let engine: Engine;
    beforeAll(async () => void (engine = await create()));
    afterAll(() => engine.dispose());

    it('has its name', () => expect(engine.name).toBe(name));

    it('binds constants and takes inputs of changing shapes', async () => {
      const program = await engine.prepare(linear, { weight: hostTensor([1, 2, 3, 4], [2, 2]) });
      const one = await program.run({ x: hostTensor([1, 1], [1, 2]) });
      expect(one.product).toEqual(hostTensor([4, 6], [1, 2]));
      expect(numbers(one.nested.sum)).toEqual([2]);
      const two = await program.run({ x: hostTensor([1, 0, 0, 1], [2, 2]) });
      expect(two.product).toEqual(hostTensor([1, 2, 3, 4], [2, 2]));
      expect((await program.run({ x: hostTensor([2, 0], [1, 2]) })).product.data).toEqual(Float32Array.of(2, 4));
      await program.dispose();
    });

    it('leaves its inputs alone and hands out results that later runs do not change', async () => {
      const program = await engine.prepare((_: Nothing, inputs: Vector) => ({ y: tf.mul(inputs.x, 2) }), {});
      const x = hostTensor([1, 2, 3], [3]);
      const first = await program.run({ x });
      await program.run({ x: hostTensor([7, 8, 9], [3]) });
      await program.run({ x: hostTensor([10, 11, 12], [3]) });
      expect(numbers(x)).toEqual([1, 2, 3]);
      expect(numbers(first.y)).toEqual([2, 4, 6]);
      await program.dispose();
    });

    it('takes and returns int32, and returns bool as int32', async () => {
      const run = (_: Nothing, inputs: { readonly table: tf.Tensor; readonly rows: tf.Tensor }) => ({
        picked: tf.gather(inputs.table, inputs.rows.toInt()),
        next: tf.add(inputs.rows, tf.scalar(1, 'int32')),
        positive: tf.greater(inputs.rows, tf.scalar(0, 'int32')),
      });
      const program = await engine.prepare(run, {});
      const table = hostTensor([1, 2, 3, 4, 5, 6], [3, 2]);
      const outputs = await program.run({ table, rows: hostTensor(Int32Array.of(2, 0), [2]) });
      expect(outputs.picked).toEqual(hostTensor([5, 6, 1, 2], [2, 2]));
      expect(outputs.next).toEqual(hostTensor(Int32Array.of(3, 1), [2]));
      expect(outputs.positive).toEqual(hostTensor(Int32Array.of(1, 0), [2]));
      await program.dispose();
    });

    it('returns inputs, constants and one tensor twice as they are', async () => {
      const run = (constants: Vector, inputs: Vector) => {
        const sum = tf.add(inputs.x, constants.x);
        return { x: inputs.x, bound: constants.x, sum, again: sum };
      };
      const program = await engine.prepare(run, { x: hostTensor([5], [1]) });
      for (const value of [1, 2]) {
        const outputs = await program.run({ x: hostTensor([value], [1]) });
        expect([outputs.x, outputs.bound, outputs.sum, outputs.again].map(numbers)).toEqual([
          [value],
          [5],
          [5 + value],
          [5 + value],
        ]);
      }
      await program.dispose();
    });

    it('computes gradients, with auxiliary outputs kept', async () => {
      const run = (_: Nothing, inputs: Vector) => {
        let squares = inputs.x;
        const { value, grads } = tf.valueAndGrads((x: tf.Tensor) => {
          squares = tf.keep(tf.square(x));
          return tf.sum(squares).asScalar();
        })([inputs.x]);
        return { value, gradient: grads[0] as tf.Tensor, squares };
      };
      const program = await engine.prepare(run, {});
      const outputs = await program.run({ x: hostTensor([1, -2], [2]) });
      expect(numbers(outputs.value)).toEqual([5]);
      expect(numbers(outputs.gradient)).toEqual([2, -4]);
      expect(numbers(outputs.squares)).toEqual([1, 4]);
      await program.dispose();
    });

    it('carries the state from step to step', async () => {
      const program = await engine.prepareStep(accumulate, zeroCounter);
      expect(numbers((await program.step({ x: hostTensor([1, 3], [2]) })).mean)).toEqual([2]);
      expect(numbers((await program.step({ x: hostTensor([1], [1]) })).mean)).toEqual([3]);
      expect(numbers((await program.step({ x: hostTensor([1, 1], [2]) })).mean)).toEqual([4]);
      const state = await program.readState();
      expect(numbers(state.total)).toEqual([3, 5]);
      expect(numbers(state.inner.steps)).toEqual([3]);
      await program.dispose();
    });

    it('reads a copy of the state and writes it back', async () => {
      const program = await engine.prepareStep(accumulate, zeroCounter);
      await program.step({ x: hostTensor([1, 3], [2]) });
      const saved = await program.readState();
      await program.step({ x: hostTensor([1, 1], [2]) });
      expect(numbers(saved.total)).toEqual([1, 3]);
      await program.writeState(saved);
      expect(numbers((await program.step({ x: hostTensor([0, 0], [2]) })).mean)).toEqual([2]);
      expect(numbers(zeroCounter.total)).toEqual([0, 0]);
      await program.dispose();
    });

    it('reads one leaf of the state by name', async () => {
      const program = await engine.prepareStep(accumulate, zeroCounter);
      await program.step({ x: hostTensor([1, 3], [2]) });
      expect(await program.readLeaf('total')).toEqual(hostTensor([1, 3], [2]));
      expect(numbers(await program.readLeaf('inner.steps'))).toEqual([1]);
      await expect(program.readLeaf('inner')).rejects.toThrow(
        /readLeaf expected one of the state's 2 leaves \(inner.steps, total\), received "inner"/,
      );
      await program.dispose();
    });

    it('takes the initial state as it is when the program is made', async () => {
      const initial = { total: hostTensor([1, 2], [2]), inner: { steps: hostTensor([0], []) } };
      const program = await engine.prepareStep(accumulate, initial);
      initial.total.data.fill(9);
      expect(numbers((await program.readState()).total)).toEqual([1, 2]);
      await program.dispose();
    });

    it('passes state through untouched, swapped or shared with an output', async () => {
      type Pair = { readonly a: tf.Tensor; readonly b: tf.Tensor };
      const swap = (state: Pair) => ({ state: { a: state.b, b: state.a }, outputs: { a: state.b } });
      const program = await engine.prepareStep(swap, { a: hostTensor([1], [1]), b: hostTensor([2], [1]) });
      expect(numbers((await program.step({})).a)).toEqual([2]);
      expect(numbers((await program.step({})).a)).toEqual([1]);
      expect(numbers((await program.step({})).a)).toEqual([2]);
      expect(numbers((await program.readState()).a)).toEqual([2]);
      await program.dispose();
    });

    it('changes in one step what another structure of inputs leaves as it is, large and small', async () => {
      type Both = { readonly small: tf.Tensor; readonly large: tf.Tensor };
      const add = ({ small, large }: Both, { x, y }: { readonly x?: tf.Tensor; readonly y?: tf.Tensor }) => ({
        state: { small: x === undefined ? small : tf.add(small, x), large: y === undefined ? large : tf.add(large, y) },
        outputs: { sum: tf.add(tf.sum(small), tf.sum(large)) },
      });
      const initial = { small: hostTensor([1], [1]), large: hostTensor(new Float32Array(5000).fill(1), [5000]) };
      const program = await engine.prepareStep(add, initial);
      const one = hostTensor([1], [1]);
      for (const inputs of [{ x: one }, {}, { y: one }, {}, { x: one, y: one }, { x: one }, {}]) {
        await program.step(inputs);
      }
      const { small, large } = await program.readState();
      expect(numbers(small)).toEqual([4]);
      expect(new Set(numbers(large))).toEqual(new Set([3]));
      await program.dispose();
    });

    it('refuses a state of another shape, from the step or from outside', async () => {
      const grow = (state: Vector) => ({ state: { x: tf.concat([state.x, state.x]) }, outputs: {} });
      const program = await engine.prepareStep(grow, { x: hostTensor([1], [1]) });
      await expect(program.step({})).rejects.toThrow(
        /leaf "x", expected float32 \[1\], received float32 \[2\]; return/,
      );
      await expect(program.writeState({ x: hostTensor([1, 2], [2]) })).rejects.toThrow(
        /writeState, leaf "x", expected float32 \[1\], received float32 \[2\]/,
      );
      await program.dispose();
    });

    it("brings errors of the user's function to the caller, and works on", async () => {
      function failsOnRows(_: Nothing, inputs: Vector): Vector {
        if (inputs.x.shape[0] === 3) throw new RangeError('three is too many');
        return { x: tf.neg(inputs.x) };
      }
      const program = await engine.prepare(failsOnRows, {});
      const error = await program.run({ x: hostTensor([1, 2, 3], [3]) }).catch((caught: unknown) => caught as Error);
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toBe('three is too many');
      expect((error as Error).stack).toContain('failsOnRows');
      expect(numbers((await program.run({ x: hostTensor([1, 2], [2]) })).x)).toEqual([-1, -2]);
      await program.dispose();
    });

    it('keeps the state when a step fails', async () => {
      const failing = (state: Vector, inputs: Vector) => {
        if (inputs.x.shape[0] === 2) throw new Error('bad batch');
        return { state: { x: tf.add(state.x, inputs.x) }, outputs: {} };
      };
      const program = await engine.prepareStep(failing, { x: hostTensor([1], [1]) });
      await program.step({ x: hostTensor([1], [1]) });
      await expect(program.step({ x: hostTensor([1, 2], [2]) })).rejects.toThrow('bad batch');
      await program.step({ x: hostTensor([1], [1]) });
      expect(numbers((await program.readState()).x)).toEqual([3]);
      await program.dispose();
    });

    it('refuses steps that overlap', async () => {
      const program = await engine.prepareStep(accumulate, zeroCounter);
      const first = program.step({ x: hostTensor([1, 1], [2]) });
      await expect(program.step({ x: hostTensor([1, 1], [2]) })).rejects.toThrow(
        /expected one call at a time, received a call while another is under way; await the previous call first/,
      );
      await first;
      expect(numbers((await program.readState()).inner.steps)).toEqual([1]);
      await program.dispose();
    });

    it('lets runs of a stateless program overlap', async () => {
      const program = await engine.prepare((_: Nothing, inputs: Vector) => ({ y: tf.square(inputs.x) }), {});
      const runs = [1, 2, 3, 4].map((value) => program.run({ x: hostTensor([value], [1]) }));
      expect((await Promise.all(runs)).map((outputs) => numbers(outputs.y))).toEqual([[1], [4], [9], [16]]);
      await program.dispose();
    });

    it('gives each run its own result where runs are computed side by side, of several shapes, alone or not', async () => {
      const program = await engine.prepare(linear, { weight: hostTensor([1, 2, 3, 4], [2, 2]) }, { parallel: true });
      const rows = (count: number) => ({ x: hostTensor(Array<number>(2 * count).fill(count), [count, 2]) });
      const counts = [3, 1, 2, 1, 3, 4, 2, 1, 5, 3];
      const results = await Promise.all(counts.map((count) => program.run(rows(count), { alone: count === 1 })));
      for (const [i, { product, nested }] of results.entries()) {
        const count = counts[i] as number;
        const want = Array.from({ length: count }, () => [4 * count, 6 * count]).flat();
        expect(product).toEqual(hostTensor(want, [count, 2]));
        expect(numbers(nested.sum)).toEqual([2 * count * count]);
      }
      await program.dispose();
    });

    it.each([false, true])(
      'ends runs that are under way before a program is gone (side by side: %s)',
      async (parallel) => {
        const program = await engine.prepare(linear, { weight: hostTensor([1, 2, 3, 4], [2, 2]) }, { parallel });
        const runs = Array.from({ length: 6 }, () => program.run({ x: hostTensor([1, 1], [1, 2]) }));
        const disposal = program.dispose();
        for (const { product } of await Promise.all(runs)) expect(numbers(product)).toEqual([4, 6]);
        await disposal;
        await expect(program.run({ x: hostTensor([1, 1], [1, 2]) })).rejects.toThrow(
          /received a call after dispose\(\)/,
        );
      },
    );

    it('leaves no tensor behind, and leaves the current backend current', async () => {
      await tf.setBackend('cpu');
      const before = tf.memory().numTensors;
      const program = await engine.prepare(linear, { weight: hostTensor([1, 2, 3, 4], [2, 2]) });
      const step = await engine.prepareStep(accumulate, zeroCounter);
      await program.run({ x: hostTensor([1, 1], [1, 2]) });
      await step.step({ x: hostTensor([1, 1], [2]) });
      const during = tf.memory().numTensors;
      for (let i = 0; i < 5; i++) {
        await program.run({ x: hostTensor([1, 1], [1, 2]) });
        await step.step({ x: hostTensor([1, 1], [2]) });
      }
      expect(tf.memory().numTensors).toBe(during);
      await program.dispose();
      await step.dispose();
      expect(tf.memory().numTensors).toBe(before);
      expect(tf.getBackend()).toBe('cpu');
    });

    it('refuses work after disposal, which may be repeated', async () => {
      const program = await engine.prepare(linear, { weight: hostTensor([1], [1, 1]) });
      const step = await engine.prepareStep(accumulate, zeroCounter);
      await program.dispose();
      await program.dispose();
      await step.dispose();
      await step.dispose();
      await expect(program.run({ x: hostTensor([1], [1, 1]) })).rejects.toThrow(/received a call after dispose\(\)/);
      await expect(step.step({ x: hostTensor([1, 1], [2]) })).rejects.toThrow(/received a call after dispose\(\)/);
      await expect(step.readState()).rejects.toThrow(/received a call after dispose\(\)/);
    });

    it('disposes what it prepared, and prepares nothing after', async () => {
      const another = await create();
      const step = await another.prepareStep(accumulate, zeroCounter);
      await another.dispose();
      await expect(step.step({ x: hostTensor([1, 1], [2]) })).rejects.toThrow(/after dispose/);
      await expect(another.prepareStep(accumulate, zeroCounter)).rejects.toThrow(/create another engine/);
    });
  });
}
