import { join } from 'node:path';
import { Command, formatTable, withExamples } from '@drf/terminal';
import { formatStrategy } from '@drf/disruption';
import { formatCell, shownPath } from '@drf/evaluation';
import { lockGrid } from '@drf/evaluation';
import { mergeStores, type MergeOutcome, type RepeatedCell } from '@drf/evaluation';
import { STORE_NAME } from '@drf/evaluation';

interface MergeFlags {
  readonly out: string;
  readonly json?: boolean;
}

/** `pnpm eval merge`. */
export function createMergeCommand(): Command {
  const command = new Command('merge')
    .description('Copies result stores into one: a grid that several machines shared, or versions of the code.')
    .argument('<stores...>', 'folders of grids, or their stores')
    .requiredOption('--out <folder>', 'folder of the store to fill; what it has stays')
    .option('--json', 'print the outcome as JSON');
  withExamples(command, [
    ['pnpm eval merge runs/grid-a runs/grid-b --out runs/grid', 'a store that report and results read'],
  ]);
  return command.action((stores: string[], flags: MergeFlags) => mergeAction(stores, flags));
}

async function mergeAction(stores: readonly string[], { out, json }: MergeFlags): Promise<void> {
  const path = join(out, STORE_NAME);
  const lock = await lockGrid(out);
  try {
    const outcome = mergeStores(path, stores);
    process.stdout.write(
      json === true
        ? `${JSON.stringify({ ...outcome, again: outcome.again.map(texts) }, null, 2)}\n`
        : mergeText(outcome, path),
    );
  } finally {
    await lock.release();
  }
}

function mergeText({ trainings, cells, known, again }: MergeOutcome, path: string): string {
  const there = known === 0 ? '' : `; ${known} cells were there`;
  const lines = [`Taken:   ${trainings} trainings, ${cells} cells${there}.`];
  if (again.length > 0) {
    const same = again.filter(({ differing }) => differing === 0).length;
    lines.push(`Twice:   ${again.length} cells, by other code or options; the newest counts. In ${same} every post has the same probabilities.`); // prettier-ignore
  }
  const different = again.filter(({ differing }) => differing > 0);
  if (different.length > 0) lines.push(differenceTable(different));
  return [...lines, `Store:   ${shownPath(path)}`, ''].join('\n');
}

function differenceTable(cells: readonly RepeatedCell[]): string {
  return formatTable(
    ['method', 'without', 'trained on', 'seed', 'cell', 'posts that differ'],
    cells.map(texts).map(({ method, without, trainedOn, seed, name, differing }) => [method, without ?? '', trainedOn, seed, name, differing]), // prettier-ignore
  );
}

function texts({ testedOn, trainedOn, ...cell }: RepeatedCell) {
  return { ...cell, trainedOn: formatStrategy(trainedOn), name: formatCell({ testedOn }) };
}
