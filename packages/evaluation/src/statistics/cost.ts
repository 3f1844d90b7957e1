import type { TableData } from '@drf/experiment';
import type { MethodCost, StoredCell } from '../store/records.js';
import { NOTHING } from '../table.js';
import { systemName, type Study, type System } from './compare.js';

/** How {@link costTable} is read. */
export const COST_LINES = [
  'Seconds: mean wall time of a training, its waiting for other work included; of a run that was found finished the time of its epochs. Parameters: those that training moves, of trained encoders as well. Memory: the most that the process of any of these trainings held at a step, with the engine, the features it had in memory and what earlier trainings of the same process left; – where it was not measured.',
];

/** What each method's trainings cost. */
export function costTable(
  study: Study,
  systems: readonly System[],
  costOf: (cells: readonly StoredCell[]) => MethodCost | null,
): TableData[] {
  const rows = systems.flatMap((system) => {
    const own = study.cells.filter((cell) => systemName(cell) === systemName(system));
    const cost = costOf(own);
    if (cost === null) return [];
    const { trainings, seconds, parameters, memoryBytes } = cost;
    return [
      [
        systemName(system),
        String(trainings),
        seconds.toFixed(1),
        parameters === null ? NOTHING : parameters.toLocaleString('en'),
        memoryBytes === null ? NOTHING : `${(memoryBytes / 2 ** 20).toFixed(0)} MiB`,
      ],
    ];
  });
  const head = ['method', 'trainings', 'seconds a training', 'parameters', 'peak memory'];
  return rows.length === 0 ? [] : [{ caption: 'Cost of each method', head, rows }];
}
