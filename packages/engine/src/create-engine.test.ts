import type { PassedOver } from '@drf/onnx';
import { machineWith } from '@drf/onnx/testing';
import { describe, expect, it } from 'vitest';
import { describeEngineContract } from './engine.contract.js';
import { createCompiledEngine, createEagerEngine, createEngine, whyUnavailable } from './index.js';

describeEngineContract('compiled', () => createCompiledEngine());

describe('with constants outside the graph', () => {
  describeEngineContract('compiled', () => createCompiledEngine({ writtenBytes: 0 }));
});

describeEngineContract('eager:cpu', () => createEagerEngine('cpu'));
describeEngineContract('eager:wasm', () => createEagerEngine('wasm'));

const missing = await whyUnavailable('eager:tensorflow');
if (missing === undefined) describeEngineContract('eager:tensorflow', () => createEagerEngine('tensorflow'));
else describe.skip(`engine contract: eager:tensorflow (${missing})`, () => it('needs a native TensorFlow', () => {}));

describe('createEagerEngine', () => {
  it('names the backends when asked for one that tfjs lacks', async () => {
    await expect(createEagerEngine('abacus')).rejects.toThrow(
      'createEagerEngine expected a tfjs backend (tensorflow, wasm, cpu, or one that you registered), received "abacus"',
    );
  });
});

describe('createEngine', () => {
  it('refuses an unknown name, naming the valid ones', async () => {
    await expect(createEngine('eager:gpu')).rejects.toThrow(
      /^createEngine expected one of "auto", "compiled", "compiled:cpu", "compiled:cuda", .*, received "eager:gpu"; did you mean "eager:cpu"\?$/,
    );
    await expect(createEngine('cuda')).rejects.toThrow(/did you mean "compiled:cuda"\?$/);
  });

  it('makes the engine that the name says', async () => {
    for (const name of ['eager:cpu', 'eager:wasm', 'compiled']) {
      const engine = await createEngine(name);
      expect(engine.name).toBe(name);
      await engine.dispose();
    }
    const same = await createEngine('compiled:cpu');
    expect(same.name).toBe('compiled');
    await same.dispose();
  });

  it('computes on an accelerator that works, under its name', async () => {
    const machine = machineWith({ cuda: 'right' });
    for (const name of ['auto', 'compiled:cuda']) {
      const engine = await createEngine(name, { machine });
      expect(engine.name).toBe('compiled:cuda');
      await engine.dispose();
    }
  });

  it('tells of an accelerator that "auto" tried in vain, and computes on the CPU', async () => {
    const told: string[] = [];
    const machine = machineWith({ cuda: 'wrong' });
    const onPassedOver = ({ provider, reason }: PassedOver): void => void told.push(`${provider}: ${reason}`);
    const engine = await createEngine('auto', { machine, onPassedOver });
    expect(engine.name).toBe('compiled');
    expect(told).toEqual([expect.stringMatching(/^cuda: numbers that differ from the CPU's by 0\.5/)]);
    await engine.dispose();
    await expect(createEngine('compiled:cuda', { machine })).rejects.toThrow(
      /^engine "compiled:cuda" expected a machine .* received numbers that differ .*; .*"compiled:cpu"$/,
    );
  });

  it('says nothing where there is no accelerator', async () => {
    const told: unknown[] = [];
    const engine = await createEngine('auto', { machine: machineWith({}), onPassedOver: (each) => told.push(each) });
    expect([engine.name, told]).toEqual(['compiled', []]);
    await engine.dispose();
  });
});
