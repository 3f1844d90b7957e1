import {
  explainLoss,
  foldLabel,
  isAbsenceWord,
  lossWarning,
  type LedgerReport,
  SPLIT_NAMES,
  type SplitName,
} from '@drf/datasets';
import { FEW_POSTS, type ExperimentData, type RunFolder } from '@drf/experiment';
import { writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { ConfigurationError, DataError } from '@drf/tensor';
import { formatTable, spell } from '@drf/terminal';

/** Classes that a table lists; of more, those with most posts and those with fewest. */
const SHOWN_CLASSES = 16;
/** Names that a sentence lists. */
const SHOWN_NAMES = 5;
/** From this ratio of the largest class to the smallest on, weights are worth a word. */
const UNEVEN = 10;

/** Posts of one class, by split. */
interface ClassCount {
  readonly name: string;
  readonly posts: number;
  readonly bySplit: Readonly<Record<SplitName, number>>;
}

function countClasses({ dataset, splits }: ExperimentData): ClassCount[] {
  return dataset.classes.map((name, label) => {
    const of = (split: SplitName): number => splits[split].filter((record) => record.label === label).length;
    return {
      name,
      posts: dataset.records.filter((record) => record.label === label).length,
      bySplit: { train: of('train'), val: of('val'), test: of('test') },
    };
  });
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES).map((name) => `"${name}"`);
  const more = names.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Which posts there are, for a person: how many were kept and why not all, what they lack, classes and splits. */
export function dataSummary(data: ExperimentData): string {
  const { dataset, splits } = data;
  const ledger = dataset.ledger.toJSON();
  const without = (modality: 'image' | 'text'): number => dataset.records.filter((post) => post[modality] === null).length; // prettier-ignore
  const counts: [string, string][] = [
    ...ledgerCounts(ledger),
    ...(['image', 'text'] as const).map((name): [string, string] => [`  of them without ${name}`, String(without(name))]), // prettier-ignore
    ...SPLIT_NAMES.map((name): [string, string] => [`  in split ${name}`, String(splits[name].length)]),
  ];
  return [
    `Data set ${dataset.name} (${dataset.ledger.source}), ${dataset.classes.length} classes; its images are decoded later`,
    formatTable(['', 'posts'], counts),
    classTable(countClasses(data)),
    ...droppedExamples(ledger),
    ...ledger.notes
      .filter(({ isWarning }) => isWarning !== true)
      .map(({ message, ids }) => `note: ${message}${ids.length > 0 ? ` (${ids.length} posts)` : ''}`),
    ...data.notes.map((note) => `note: ${note}`),
    ...dataWarnings(data).map((warning) => `warning: ${warning}`),
  ].join('\n');
}

function ledgerCounts({ rows, kept, reasons }: LedgerReport): [string, string][] {
  return [
    ['rows', String(rows)],
    ...reasons.map(({ reason, count }): [string, string] => [`dropped: ${reason}`, String(count)]),
    ['kept', String(kept)],
  ];
}

function droppedExamples({ reasons }: LedgerReport): string[] {
  const details = reasons.flatMap(({ rows: dropped }) => dropped[0]?.detail ?? []).slice(0, SHOWN_NAMES);
  return details.map((detail) => `dropped, for example: ${detail}`);
}

/** What became of the rows, where too few can be used for anything more. */
export function lossSummary(ledger: LedgerReport): string {
  const warnings = ledger.notes.filter(({ isWarning }) => isWarning === true);
  return [
    `Data set ${ledger.source}`,
    formatTable(['', 'posts'], ledgerCounts(ledger)),
    ...droppedExamples(ledger),
    ...warnings.map(({ message }) => `warning: ${message}`),
  ].join('\n');
}

/**
 * Writes what became of each row: counts to `ledger.json`, and to `rejected.jsonl` a line for each row that is not used:
 * its line in the file, id, reason and what to do.
 * @returns the second's path; null where every row is used, and it is not written
 */
export async function writeLedger(run: RunFolder, ledger: LedgerReport): Promise<string | null> {
  await writeJsonAtomic(run.file('ledger.json'), ledger);
  const rows = ledger.reasons.flatMap(({ rows: dropped }) => dropped);
  if (rows.length === 0) return null;
  const path = run.file('rejected.jsonl');
  const lines = rows.map(({ line, id, reason, detail }) => JSON.stringify({ line: line ?? null, id, reason, detail }));
  await writeFileAtomic(path, `${lines.join('\n')}\n`);
  return path;
}

/** What {@link dataSummary} could not know: posts that were left out since, as they could not be decoded. */
export function decodedSummary(
  { dataset }: ExperimentData,
  encoded: Readonly<Record<'train' | 'val', number>>,
): string {
  const ledger = dataset.ledger.toJSON();
  const { rows, kept, undecoded = 0 } = ledger;
  const warning = lossWarning(ledger);
  return [
    `${undecoded} more left out while encoding: kept ${kept} of ${rows} rows; training on ${encoded.train} posts, validating on ${encoded.val}`,
    ...(warning === null ? [] : [`warning: ${warning}`]),
  ].join('\n');
}

function classTable(classes: readonly ClassCount[]): string {
  const rowOf = ({ name, posts, bySplit }: ClassCount): string[] => [
    name,
    String(posts),
    ...SPLIT_NAMES.map((split) => String(bySplit[split])),
  ];
  const head = ['class', 'posts', ...SPLIT_NAMES];
  if (classes.length <= SHOWN_CLASSES) return formatTable(head, classes.map(rowOf));
  const sorted = classes.toSorted((a, b) => b.posts - a.posts);
  const half = SHOWN_CLASSES / 2;
  const between = `… ${classes.length - SHOWN_CLASSES} more`;
  const gap = [between, '', '', '', ''];
  return formatTable(head, [...sorted.slice(0, half).map(rowOf), gap, ...sorted.slice(-half).map(rowOf)]);
}

/** What may spoil a training, and what to do about it. */
export function dataWarnings(data: ExperimentData): string[] {
  const ledger = data.dataset.ledger.toJSON();
  const stated = ledger.notes.filter(({ isWarning }) => isWarning === true).map(({ message }) => message);
  return [lossWarning(ledger) ?? [], stated, data.warnings, classWarnings(data), sizeWarnings(data)].flat();
}

/** Scores of few posts say little. */
function sizeWarnings({ splits }: ExperimentData): string[] {
  const { val, test } = splits;
  if (val.length === 0) {
    return ['no validation posts: the last epoch is the result, and its probabilities are not calibrated'];
  }
  if (val.length >= FEW_POSTS) return [];
  const points = (100 / val.length).toFixed(val.length < 20 ? 0 : 1);
  return [
    `${val.length} validation posts${test.length > 0 ? ` and ${test.length} test posts` : ''} say little: each of the former is ${points} points of accuracy; ${spell('eval grid table-3 --folds 5')} judges every post`,
  ];
}

function classWarnings(data: ExperimentData): string[] {
  const { dataset } = data;
  const classes = countClasses(data);
  const present = classes.filter(({ posts }) => posts > 0);
  const single = present.filter(({ posts }) => posts === 1).map(({ name }) => name);
  const unlearned = classes.filter(({ posts, bySplit }) => posts > 0 && bySplit.train === 0).map(({ name }) => name);
  const untested = classes.filter(({ posts, bySplit }) => posts > 1 && bySplit.test === 0).map(({ name }) => name);
  const unvalidated = classes.filter(({ posts, bySplit }) => posts > 1 && bySplit.val === 0).map(({ name }) => name);
  const nameless = present.filter(({ name }) => isAbsenceWord(name));
  const counts = present.map(({ posts }) => posts);
  const [most, fewest] = [Math.max(...counts), Math.min(...counts)];
  const alike = alikeNames(dataset.classes);
  const missing = (['image', 'text'] as const).filter((name) => dataset.records.every((post) => post[name] === null));
  return [
    ...(single.length > 0 ? [singleWarning(single)] : []),
    ...(unlearned.length > 0
      ? [`no training posts of ${named(unlearned)}: such posts will be taken for others; change the splits`]
      : []),
    ...(untested.length > 0 && data.splits.test.length > 0
      ? [`no test posts of ${named(untested)}: the scores will say nothing of them; bring more posts`]
      : []),
    ...(unvalidated.length > 0 && data.splits.val.length > 0
      ? [`no validation posts of ${named(unvalidated)}: the epoch is chosen, and probabilities are calibrated, without them; change the splits, or bring more posts`]
      : []),
    ...nameless.map(({ name, posts }) => `"${name}" is a class (${posts} posts): if it means that there is no label, leave them out with --dataset.labels.drop ${JSON.stringify(name)}`),
    ...(alike.length > 0 ? [`labels that differ in nothing but case or spaces are different classes: ${alike.map((names) => named(names)).join('; ')}; --dataset.labels.ignore-case true joins them`] : []),
    ...(present.length > dataset.records.length / 4 ? [`${present.length} classes on ${dataset.records.length} posts: is the column of labels the right one?`] : []),
    ...(most / fewest >= UNEVEN
      ? [
          `classes have from ${fewest} to ${most} posts; --training.class-weights balanced makes rare ones count as much`,
        ]
      : []),
    ...missing.map((name) => `no post has ${name === 'image' ? 'an image' : 'a text'}`),
  ]; // prettier-ignore
}

function singleWarning(names: readonly string[]): string {
  const [have, them, advice] =
    names.length === 1
      ? ['one class has', 'it', 'give it the label of another']
      : [`${names.length} classes have`, 'them', 'give them a common label'];
  return `${have} a single post (${named(names)}): it is used for training, and nothing can test ${them}; bring more posts, or ${advice}`;
}

function alikeNames(classes: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const name of classes) {
    const key = foldLabel(name);
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  return [...groups.values()].filter((names) => names.length > 1);
}

/**
 * @throws DataError for posts of one class, for labels of which each stands on one post only, and for no training posts;
 *   UnusableDataError where that is because most rows are dropped
 */
export function assertLearnable(data: ExperimentData): void {
  const trouble = unlearnable(data);
  if (trouble !== null) throw explainLoss(trouble, data.dataset.ledger.toJSON());
}

function unlearnable({ dataset, splits }: ExperimentData): DataError | ConfigurationError | null {
  const { records, classes } = dataset;
  const present = new Set(records.map(({ label }) => label)).size;
  const refuse = (received: string): DataError =>
    new DataError({
      subject: `Labels of ${dataset.ledger.source}`,
      expected: 'at least two classes, with several posts each',
      received,
      remedy: 'check the column of labels (--columns label=NAME)',
    });
  if (present < 2) return refuse(`${records.length} posts of one class, "${classes[records[0]?.label ?? 0]}"`);
  if (present === records.length) return refuse(`${records.length} posts, each with a label of its own`);
  if (splits.train.length > 0) return null;
  return new ConfigurationError({
    subject: `Splits of ${dataset.ledger.source}`,
    expected: 'posts in the split train',
    received: 'none',
    remedy: 'call one of them train, or do without them: --columns split= draws splits here',
  });
}
