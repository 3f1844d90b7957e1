import { isAbsenceWord } from '@drf/datasets';
import { SPLIT_NAMES, type ExperimentData, type SplitName } from '@drf/experiment';
import { ConfigurationError, DataError } from '@drf/tensor';
import { formatTable } from '@drf/terminal';

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
  const { rows, kept, reasons, notes } = dataset.ledger.toJSON();
  const without = (modality: 'image' | 'text'): number => dataset.records.filter((post) => post[modality] === null).length; // prettier-ignore
  const counts: [string, string][] = [
    ['rows', String(rows)],
    ...reasons.map(({ reason, count }): [string, string] => [`dropped: ${reason}`, String(count)]),
    ['kept', String(kept)],
    ...(['image', 'text'] as const).map((name): [string, string] => [`  of them without ${name}`, String(without(name))]), // prettier-ignore
    ...SPLIT_NAMES.map((name): [string, string] => [`  in split ${name}`, String(splits[name].length)]),
  ];
  const examples = reasons.flatMap(({ rows: dropped }) => dropped[0]?.detail ?? []).slice(0, SHOWN_NAMES);
  return [
    `Data set ${dataset.name} (${dataset.ledger.source}), ${dataset.classes.length} classes`,
    formatTable(['', 'posts'], counts),
    classTable(countClasses(data)),
    ...examples.map((detail) => `dropped, for example: ${detail}`),
    ...notes.map(({ message, ids }) => `note: ${message}${ids.length > 0 ? ` (${ids.length} posts)` : ''}`),
    ...data.notes.map((note) => `note: ${note}`),
    ...dataWarnings(data).map((warning) => `warning: ${warning}`),
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
  const { dataset } = data;
  const classes = countClasses(data);
  const present = classes.filter(({ posts }) => posts > 0);
  const single = present.filter(({ posts }) => posts === 1).map(({ name }) => name);
  const unlearned = classes.filter(({ posts, bySplit }) => posts > 0 && bySplit.train === 0).map(({ name }) => name);
  const untested = classes.filter(({ posts, bySplit }) => posts > 1 && bySplit.test === 0).map(({ name }) => name);
  const counts = present.map(({ posts }) => posts);
  const [most, fewest] = [Math.max(...counts), Math.min(...counts)];
  const alike = alikeNames(dataset.classes);
  const absent = present.filter(({ name }) => isAbsenceWord(name));
  const missing = (['image', 'text'] as const).filter((name) => dataset.records.every((post) => post[name] === null));
  return [
    ...(single.length > 0 ? [singleWarning(single)] : []),
    ...(unlearned.length > 0
      ? [`no training posts of ${named(unlearned)}: such posts will be taken for others; change the splits`]
      : []),
    ...(untested.length > 0 && data.splits.test.length > 0
      ? [`no test posts of ${named(untested)}: the scores will say nothing of them; bring more posts`]
      : []),
    ...(absent.length > 0
      ? [`a class is called ${named(absent.map(({ name }) => name))} (${absent.reduce((sum, { posts }) => sum + posts, 0)} posts), which programs write where a label is missing: empty such labels, and their rows are left out`]
      : []),
    ...(alike.length > 0 ? [`labels that differ in nothing but case or spaces are different classes: ${alike.map((names) => named(names)).join('; ')}`] : []),
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
    const key = name.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ');
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  return [...groups.values()].filter((names) => names.length > 1);
}

/** @throws DataError for posts of one class, and for labels of which each stands on one post only */
export function assertLearnable({ dataset, splits }: ExperimentData): void {
  const { records, classes } = dataset;
  const present = new Set(records.map(({ label }) => label)).size;
  const refuse = (received: string): DataError =>
    new DataError({
      subject: `Labels of ${dataset.ledger.source}`,
      expected: 'at least two classes, with several posts each',
      received,
      remedy: 'check the column of labels (--dataset.columns.label NAME)',
    });
  if (present < 2) throw refuse(`${records.length} posts of one class, "${classes[records[0]?.label ?? 0]}"`);
  if (present === records.length) throw refuse(`${records.length} posts, each with a label of its own`);
  if (splits.train.length === 0) {
    throw new ConfigurationError({
      subject: `Splits of ${dataset.ledger.source}`,
      expected: 'posts in the split train',
      received: 'none',
      remedy: 'name some "train" in the column of splits, or leave it out and splits are made here',
    });
  }
}
