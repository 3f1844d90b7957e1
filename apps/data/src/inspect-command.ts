import {
  inspectDataset,
  loadSplit,
  selectSplit,
  type Dataset,
  type ImageCheck,
  type Inspection,
  type SelectedSplit,
  type SplitFile,
} from '@drf/datasets';
import { collect, oneOf, withExamples, type Command, spell } from '@drf/terminal';
import { addDatasetFlags, openFromFlags, progressFor, type DatasetFlags } from './dataset-options.js';
import { describeInspection, type SplitCheck } from './inspection-tables.js';

interface InspectFlags extends DatasetFlags {
  readonly split?: readonly string[];
  readonly check?: ImageCheck;
  readonly list?: boolean;
  readonly json?: boolean;
}

export function addInspectCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('inspect')
    .description('Reads a data set and prints its ledger, classes, sizes, and duplicates within and across splits.');
  addDatasetFlags(command)
    .option('--split <file>', 'split file to check and to look for duplicates in; may be repeated', collect)
    .option(
      '--check <how>',
      'pixels (decodes every image, the default) or headers (faster; misses damage before the end mark)',
      oneOf(['headers', 'pixels']),
    )
    .option('--list', 'list every dropped row with its reason')
    .option('--json', 'print JSON only')
    .action((flags: InspectFlags) => inspect(flags, print));
  withExamples(command, [
    [spell('data inspect --dataset mvsa-single --root DIR'), 'what is there, and what was dropped'],
    [
      spell('data inspect --dataset mvsa-single --root DIR --split train.json --split test.json'),
      'and which posts stand in both',
    ],
    [spell('data inspect --dataset posts --file posts.csv --json'), 'your own posts, for a program'],
  ]);
}

async function inspect(flags: InspectFlags, print: (text: string) => void): Promise<void> {
  const dataset = await openFromFlags(flags);
  const files = await Promise.all((flags.split ?? []).map((path) => loadSplit(path)));
  const selected = files.map((file) => selectSplit(dataset, file));
  const inspection = await inspectWithProgress(dataset, flags, selected);
  const splitChecks = files.map((file, index) => checkOf(file, selected[index] as SelectedSplit));
  if (flags.json === true) print(`${JSON.stringify({ ...inspection, splitFiles: splitChecks }, null, 2)}\n`);
  else print(describeInspection(inspection, splitChecks, flags.list === true));
}

async function inspectWithProgress(
  dataset: Dataset,
  flags: InspectFlags,
  selected: readonly SelectedSplit[],
): Promise<Inspection> {
  const progress = progressFor('Reading posts', flags);
  const splits = selected.length === 0 ? {} : { splits: distinctNames(selected) };
  const check = flags.check === undefined ? {} : { check: flags.check };
  try {
    return await inspectDataset(dataset, { ...splits, ...check, onProgress: progress.update });
  } finally {
    progress.stop();
  }
}

/** Two files may give the same name (`a/test.json`, `b/test.json`). */
function distinctNames(splits: readonly SelectedSplit[]): SelectedSplit[] {
  const isTaken = (name: string, index: number): boolean => splits.slice(0, index).some((split) => split.name === name);
  return splits.map((split, index) =>
    isTaken(split.name, index) ? { ...split, name: `${split.name} (${index + 1})` } : split,
  );
}

function checkOf(file: SplitFile, { records, absent, comparedLabels, disagreements }: SelectedSplit): SplitCheck {
  const { path, form, name, ids } = file;
  return { path, form, name, ids: ids.length, found: records.length, absent, comparedLabels, disagreements };
}
