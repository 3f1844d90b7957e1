import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXPERIMENTS, loadExperiment } from './experiments.js';

const ROOT = { dataset: { root: 'somewhere' } };

describe('experiments', () => {
  it.each([...EXPERIMENTS.keys()])('%s is valid once its data has a place', async (name) => {
    const config = await loadExperiment(name, ROOT);
    expect(config.name).toBe(name);
    if (name.endsWith('-smoke')) expect(config.training.epochs * (config.dataset.limit ?? Infinity)).toBeLessThan(100);
  });

  it('come in full and in small', () => {
    const names = [...EXPERIMENTS.keys()].filter((name) => !name.endsWith('-smoke'));
    expect(names).toEqual(['quickstart', 'mvsa-s', 'mvsa-s-minilm', 'paper', 'mvsa-m', 'tumemo']);
    for (const name of names) expect(EXPERIMENTS.has(`${name}-smoke`)).toBe(true);
  });

  it('take overrides', async () => {
    expect((await loadExperiment('mvsa-s', { ...ROOT, seed: 4, model: { dim: 64 } })).model).toMatchObject({
      dim: 64,
      standardize: true,
    });
  });

  it('of an unknown name are refused with the nearest', async () => {
    await expect(loadExperiment('mvsa-x', {})).rejects.toThrow('received "mvsa-x"; did you mean "mvsa-s"?');
    await expect(loadExperiment('mvsa-s', {})).rejects.toThrow(
      /dataset.root with data set "mvsa-single", received none/,
    );
  });

  it('load from JSON and from a module', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-experiment-'));
    const experiment = '{"name": "mine", "dataset": {"name": "embedded"}}';
    await writeFile(join(folder, 'mine.json'), experiment);
    await writeFile(join(folder, 'mine.mjs'), `export default ${experiment};`);
    await writeFile(join(folder, 'empty.mjs'), 'export const experiment = 1;');
    await writeFile(join(folder, 'broken.json'), '{"name": ');
    expect((await loadExperiment(join(folder, 'mine.json'), {})).name).toBe('mine');
    expect((await loadExperiment(join(folder, 'mine.mjs'), { seed: 7 })).seed).toBe(7);
    await expect(loadExperiment(join(folder, 'empty.mjs'), {})).rejects.toThrow(/a default export/);
    await expect(loadExperiment(join(folder, 'broken.json'), {})).rejects.toThrow(/valid JSON/);
    await expect(loadExperiment(join(folder, 'absent.json'), {})).rejects.toThrow(/a readable file, received ENOENT/);
  });
});
