import { expect, it } from 'vitest';
import { ResultStore } from '../store/result-store.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { studiesOf } from './compare.js';
import { costTable } from './cost.js';

it('says what methods cost, as far as it is known', async () => {
  const store = new ResultStore(':memory:', 'write');
  await syntheticStore(store, [0]);
  const [study] = studiesOf(store);
  const costOf = () => ({ trainings: 2, seconds: 1.25, parameters: 12_345, memoryBytes: null });
  const systems = [
    { method: 'drf', without: null },
    { method: 'absent', without: null },
  ];
  expect(study === undefined ? [] : costTable(study, systems.slice(0, 1), costOf)[0]?.rows).toEqual([['drf', '2', '1.3', '12,345', '–']]); // prettier-ignore
  const rows = study === undefined ? [] : costTable(study, systems, (cells) => store.cost(cells))[0]?.rows;
  expect(rows?.map(([method, , , , memory]) => [method, memory])).toEqual([['drf', '256 MiB']]);
  store.close();
});
