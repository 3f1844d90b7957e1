import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createEngine, whyUnavailable } from '@drf/engine';
import { compareAll } from './compare.js';
import { computeQuantities } from './compute.js';
import { readGoldenFile } from './golden-file.js';
import { makeGolden } from './make-golden.contract.js';

const missing = await whyUnavailable('eager:tensorflow');

it.skipIf(missing !== undefined)(`a golden step passes on native TensorFlow (${missing ?? 'run'})`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drf-golden-native-'));
  const path = join(folder, 'step.json');
  const content = makeGolden({ seed: 2, batch: 4, dim: 3, hidden: 2, queue: 4, classes: 3 });
  await writeFile(path, JSON.stringify(content));
  const engine = await createEngine('eager:tensorflow');
  const golden = await readGoldenFile(path);
  const compared = compareAll(golden, await computeQuantities(golden, engine));
  expect(compared.length).toBeGreaterThan(100);
  expect(compared.filter(({ passed }) => !passed)).toEqual([]);
  await engine.dispose();
  await rm(folder, { recursive: true });
});
