import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  inspectDataset,
  makeSplits,
  PAPER_FRACTIONS,
  saveSplits,
  type Dataset,
  type Inspection,
  type NamedRecords,
  type PostRecord,
  type Splits,
} from '@drf/datasets';
import { writeJsonAtomic } from '@drf/files';
import { ConfigurationError } from '@drf/tensor';
import { formatTable, InvalidArgumentError, wholeNumber, withExamples, type Command, spell } from '@drf/terminal';
import { addDatasetFlags, openFromFlags, progressFor, type DatasetFlags } from './dataset-options.js';
import { duplicateLines, ledgerTable } from './inspection-tables.js';

interface SplitFlags extends DatasetFlags {
  readonly out: string;
  readonly fractions: Readonly<Record<string, number>>;
  readonly seed: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** "train=0.8,val=0.1,test=0.1" as shares by name. */
export function parseFractions(text: string): Readonly<Record<string, number>> {
  const entries = text.split(',').map((part) => /^([\w-]+)=(\d+(?:\.\d+)?)$/.exec(part.trim()));
  if (entries.includes(null))
    throw new InvalidArgumentError(`expected such as train=0.8,val=0.1,test=0.1, received "${text}"`);
  return Object.fromEntries(entries.map((entry) => [entry?.[1] ?? '', Number(entry?.[2])]));
}

export function addSplitCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('split')
    .description('Makes seeded, stratified split files (a list of ids each), with a report of duplicates across them.');
  addDatasetFlags(command)
    .requiredOption('--out <folder>', 'where train.json, val.json, test.json, duplicates.json and ledger.json go')
    .option('--fractions <shares>', 'shares that sum to 1, or whole ratios or sizes', parseFractions, PAPER_FRACTIONS)
    .option('--seed <seed>', 'decides the draw', wholeNumber(), 1)
    .option('--force', 'overwrite split files that are there')
    .option('--json', 'print JSON only')
    .action((flags: SplitFlags) => split(flags, print));
  withExamples(command, [
    [spell('data split --dataset mvsa-single --root DIR --out splits'), '8 : 1 : 1, as in the paper'],
    [spell('data split --dataset posts --file posts.csv --out splits --fractions train=0.7,test=0.3'), 'two splits'],
    [
      spell('data split --dataset mvsa-multiple --root DIR --out splits --fractions train=13618,val=1703,test=1703'),
      'exact sizes',
    ],
  ]);
}

async function split(flags: SplitFlags, print: (text: string) => void): Promise<void> {
  const { out, fractions, seed } = flags;
  const files = [...Object.keys(fractions), 'duplicates', 'ledger'].map((name) => join(out, `${name}.json`));
  if (flags.force !== true) await refuseExisting(files);
  const dataset = await openFromFlags(flags);
  const { splits, inspection } = await drawSplits(dataset, flags);
  const { duplicates, splits: counts, ledger } = inspection;
  await saveSplits(out, splits, { dataset: dataset.name, seed, fractions });
  await writeJsonAtomic(join(out, 'duplicates.json'), duplicates);
  await writeJsonAtomic(join(out, 'ledger.json'), ledger);
  if (flags.json === true)
    return print(`${JSON.stringify({ out, seed, fractions, splits: counts, duplicates, ledger }, null, 2)}\n`);
  const rows = counts.map(({ name, posts, classes }) => [name, ...Object.values(classes), posts]);
  const table = formatTable(['split', ...dataset.classes, 'all'], rows);
  print([ledgerTable(ledger), table, ...duplicateLines(duplicates), `Written: ${files.join(', ')}`, ''].join('\n'));
}

/** Reads every post first, so that none of those that cannot be decoded enters a split. */
async function drawSplits(
  dataset: Dataset,
  flags: SplitFlags,
): Promise<{ readonly splits: Splits; readonly inspection: Inspection }> {
  const { fractions, seed } = flags;
  const progress = progressFor('Reading posts', flags);
  let splits: Splits = {};
  const draw = (readable: readonly PostRecord[]): NamedRecords[] => {
    const byId = new Map(readable.map((record) => [record.id, record]));
    splits = makeSplits({ classes: dataset.classes, records: readable }, { fractions, seed });
    return Object.entries(splits).map(([name, ids]) => ({ name, records: ids.flatMap((id) => byId.get(id) ?? []) }));
  };
  try {
    const inspection = await inspectDataset(dataset, { splits: draw, onProgress: progress.update });
    return { splits, inspection };
  } finally {
    progress.stop();
  }
}

/** A published train.json must not be lost to a careless --out. */
async function refuseExisting(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const exists = await access(file).then(
      () => true,
      () => false,
    );
    if (!exists) continue;
    throw new ConfigurationError({
      subject: 'data split --out',
      expected: 'a folder without such files',
      received: `one that holds ${file}`,
      remedy: 'name another folder, or pass --force to overwrite',
    });
  }
}
