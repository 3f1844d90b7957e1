import { createEngine } from '@drf/engine';
import { flattenTree, type HostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { createWorkload } from './workload.js';

// matrices of more than 4,096 numbers, so that their update runs outside the graph
const sizes = { batch: 4, dim: 72, queue: 12 };
const STEPS = 5;

async function train(engineName: string): Promise<{ losses: number[]; state: Map<string, HostTensor> }> {
  const engine = await createEngine(engineName);
  const workload = await createWorkload(engine, sizes);
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) losses.push(await workload.step(step));
  const state = flattenTree<HostTensor>(await workload.program.readState());
  await engine.dispose();
  return { losses, state };
}

/** ‖a − b‖ / ‖b‖ over all numbers of a tensor. */
function relativeDistance(received: HostTensor, expected: HostTensor): number {
  let [difference, norm] = [0, 0];
  expected.data.forEach((want, i) => {
    difference += ((received.data[i] as number) - want) ** 2;
    norm += want ** 2;
  });
  return Math.sqrt(difference / norm);
}

describe('the DRF training step compiled', () => {
  it(`equals the eager one: losses to 1e-6, the state after ${STEPS} steps to 1e-5`, async () => {
    const eager = await train('eager:cpu');
    const compiled = await train('compiled');
    compiled.losses.forEach((loss, step) => {
      const expected = eager.losses[step] as number;
      expect(Math.abs(loss - expected) / expected, `loss of step ${step}`).toBeLessThan(1e-6);
    });
    expect([...compiled.state.keys()]).toEqual([...eager.state.keys()]);
    for (const [name, tensor] of compiled.state) {
      expect(relativeDistance(tensor, eager.state.get(name) as HostTensor), name).toBeLessThan(1e-5);
    }
  });
});
