import { createHash } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, DataError } from '@drf/tensor';
import { byStage, publishPlan, readPlan, unitAt } from './plan.js';
import { tinyPlan, withPlan } from './testing/tiny-plan.js';

const plan = tinyPlan(['ok', 'refuse']);

describe('publishPlan and readPlan', () => {
  it('give the same plan back, under the hash of its content', () =>
    withPlan(plan, async (published, folder) => {
      expect(published.location).toBe(join(folder, 'plans', `${published.hash}.json`));
      expect(await readPlan(published.location)).toEqual(published);
      expect(published.storage.folder).toBe(folder);
    }));

  it('write the same bytes whatever the order of keys, and once', () =>
    withPlan(plan, async (published, folder) => {
      const before = await readFile(published.location, 'utf8');
      const units = plan.units.map(({ input, label, stage, output, address }) => ({
        ...{ label, input, address, output, stage },
      }));
      const { settings, resources, code, kind } = plan;
      const again = await publishPlan(published.storage, { units, settings, resources, code, kind });
      expect(again.hash).toBe(published.hash);
      expect(await readdir(join(folder, 'plans'))).toEqual([basename(published.location)]);
      expect(await readFile(published.location, 'utf8')).toBe(before);
    }));

  it('refuse content that is not the name’s', () =>
    withPlan(plan, async ({ location, hash }) => {
      await writeFile(location, (await readFile(location, 'utf8')).replace('refuse', 'ok'));
      await expect(readPlan(location)).rejects.toThrow(`content with the hash that its name says`);
      const other = location.replace(hash, hash.replaceAll(/./g, 'a'));
      await rename(location, other);
      await expect(readPlan(other)).rejects.toThrow(DataError);
    }));

  it('refuse another name, another format, and what is not there', () =>
    withPlan(plan, async ({ location, storage }) => {
      await expect(readPlan('/tmp/plan.json')).rejects.toThrow('a file plans/HASH.json');
      await expect(readPlan(location.replace(/[0-9a-f]{64}/, '0'.repeat(64)))).rejects.toThrow(DataError);
      const content = JSON.stringify({ ...plan, format: 9 });
      const path = `plans/${createHash('sha256').update(content).digest('hex')}.json`;
      await storage.write(path, content);
      await expect(readPlan(`${storage.location}/${path}`)).rejects.toThrow('a plan of format 1, received format 9');
      const odd = JSON.stringify({ ...plan, format: 1, units: [null] });
      const oddPath = `plans/${createHash('sha256').update(odd).digest('hex')}.json`;
      await storage.write(oddPath, odd);
      await expect(readPlan(`${storage.location}/${oddPath}`)).rejects.toThrow(
        'expected unit 0 with label and address',
      );
    }));

  it('refuse indices out of range', () =>
    withPlan(plan, async (published) => {
      expect(unitAt(published, 1).label).toBe('u1');
      for (const index of [2, -1, 0.5]) {
        expect(() => unitAt(published, index)).toThrow('an index from 0 to 1');
      }
    }));

  it.each([
    ['an output twice', { units: [...plan.units, ...plan.units] }, 'units/0.json twice'],
    ['outputs elsewhere', { units: [{ ...plan.units[0]!, output: '../x' }] }, 'below the storage'],
    ['no stage', { units: [{ ...plan.units[0]!, stage: -1 }] }, 'stage 0, 1'],
    ['an uncountable stage', { units: [{ ...plan.units[0]!, stage: 1e300 }] }, 'stage 0, 1'],
    ['no cores', { resources: { cores: 0, gpus: 0, memoryBytes: 1 } }, 'resources.cores'],
    ['endless memory', { resources: { cores: 1, gpus: 0, memoryBytes: Infinity } }, 'resources.memoryBytes'],
  ])('refuse %s', (_, wrong, message) =>
    withPlan(plan, async ({ storage }) => {
      const publishing = publishPlan(storage, { ...plan, ...wrong });
      await expect(publishing).rejects.toThrow(ConfigurationError);
      await expect(publishing).rejects.toThrow(message);
    }),
  );
});

describe('indices', () => {
  it('go by stages', () => {
    const units = plan.units.flatMap((unit, index) =>
      [0, 5, 2].map((stage) => ({ ...unit, stage, output: `${index}` })),
    );
    expect(byStage({ ...plan, units }, [5, 0, 1, 2, 3])).toEqual([[0, 3], [2, 5], [1]]);
  });
});
