import type { Dataset, PostRecord } from '@drf/datasets';
import { DataError, type Modality } from '@drf/tensor';
import { nearestName, withExamples, type Command, spell } from '@drf/terminal';
import { addDatasetFlags, openFromFlags, type DatasetFlags } from './dataset-options.js';

interface ShowFlags extends DatasetFlags {
  readonly json?: boolean;
}

export function addShowCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('show')
    .description('Prints one post: label, text, where its content lies, and the content hashes that caches use.')
    .argument('<id>', "the post's id");
  addDatasetFlags(command)
    .option('--json', 'print JSON only')
    .action((id: string, flags: ShowFlags) => show(id, flags, print));
  withExamples(command, [[spell('data show 4499 --dataset mvsa-single --root DIR'), 'a post whose text is GB18030']]);
}

async function show(id: string, flags: ShowFlags, print: (text: string) => void): Promise<void> {
  const dataset = await openFromFlags(flags);
  const record = dataset.records.find((candidate) => candidate.id === id);
  if (record === undefined) throw absent(dataset, id);
  const facts = await describePost(dataset, record);
  if (flags.json === true) return print(`${JSON.stringify(facts, null, 2)}\n`);
  const lines = Object.entries(facts).map(([name, value]) => `${`${name}:`.padEnd(13)}${value ?? 'missing'}`);
  print(`${lines.join('\n')}\n`);
}

async function describePost(dataset: Dataset, record: PostRecord): Promise<Record<string, string | null>> {
  const { image, text } = await dataset.read(record);
  const hash = async (modality: Modality): Promise<string | null> =>
    record[modality] === null ? null : dataset.contentHash(record, modality);
  return {
    id: record.id,
    label: dataset.classes[record.label] ?? null,
    split: record.split ?? null,
    text,
    'text from': record.text?.description ?? null,
    'image from': record.image?.description ?? null,
    'decoded to': image === null ? null : `${image.width} × ${image.height}`,
    'image hash': await hash('image'),
    'text hash': await hash('text'),
  };
}

/** Says why the ledger dropped it, or which id is near. */
export function absent(dataset: Dataset, id: string): DataError {
  const dropped = dataset.ledger.dropped.find((row) => row.id === id);
  const near = nearestName(
    id,
    dataset.records.slice(0, 10_000).map((record) => record.id),
  );
  return new DataError({
    subject: `Data set ${dataset.name}`,
    expected: `a post with id ${id}`,
    received: dropped === undefined ? 'none' : `one that was dropped: ${dropped.detail ?? dropped.reason}`,
    ...(dropped === undefined && near !== undefined ? { remedy: `is ${near} meant?` } : {}),
  });
}
