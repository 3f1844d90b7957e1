import type { Dataset, PostRecord } from './dataset.js';

/** How labels are changed before anything else sees them. */
export interface LabelOptions {
  /** Labels that differ in nothing but case or spaces become one: the spelling that most posts have. */
  readonly ignoreCase?: boolean | undefined;
  /** New names by old ones; two labels of one new name become one class. */
  readonly rename?: Readonly<Record<string, string>> | undefined;
  /** Posts of these labels are left out. Names are those after renaming. */
  readonly drop?: readonly string[] | undefined;
}

/** A label as it is compared where case does not count. */
export function foldLabel(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase().replace(/\s+/g, ' ');
}

/**
 * Renames, joins and drops labels: first `rename`, then `drop`, then `ignoreCase` (which also holds for the names in the
 * other two). What it does is noted in the ledger, and posts that are left out are listed there. Classes stay in their
 * order; a joined one stands where its first name stood.
 * @returns the data set itself when there is nothing to change
 */
export function relabel(dataset: Dataset, { ignoreCase = false, rename = {}, drop = [] }: LabelOptions): Dataset {
  const { classes, records, ledger } = dataset;
  if (!ignoreCase && Object.keys(rename).length === 0 && drop.length === 0) return dataset;
  const key = ignoreCase ? foldLabel : (name: string): string => name;
  const newNames = new Map(Object.entries(rename).map(([from, to]) => [key(from), to.trim()] as const));
  const left = new Set(drop.map(key));
  const renamed = classes.map((name) => newNames.get(key(name)) ?? name);
  const isLeft = renamed.map((name) => left.has(key(name)));
  const posts = countPosts(dataset);
  const joined = joinedNames(renamed, posts, new Set(newNames.values()), key);
  warnOfUnknown(dataset, Object.keys(rename), classes.map(key), 'renamed', key);
  warnOfUnknown(dataset, drop, renamed.map(key), 'dropped', key);

  const names = [...new Set(joined.filter((_, label) => isLeft[label] !== true))];
  for (const [label, name] of classes.entries()) {
    if (isLeft[label] !== true && joined[label] !== name) {
      ledger.note(`label "${name}" is read as "${joined[label]}" (${posts[label]} posts)`);
    }
  }
  const kept: PostRecord[] = [];
  for (const record of records) {
    const { id, label, line } = record;
    if (isLeft[label] !== true) kept.push({ ...record, label: names.indexOf(joined[label] as string) });
    else {
      const detail = `${dataset.name} post ${id}: its label "${classes[label]}" is to be dropped`;
      ledger.reject({ id, line, reason: 'label left out', detail });
    }
  }
  return {
    name: dataset.name,
    classes: names,
    records: kept,
    ledger,
    read: (record) => dataset.read(record),
    readText: (record) => dataset.readText(record),
    contentHash: (record, modality) => dataset.contentHash(record, modality),
  };
}

function countPosts({ classes, records }: Dataset): number[] {
  const counts = classes.map(() => 0);
  for (const { label } of records) counts[label] = (counts[label] as number) + 1;
  return counts;
}

/** Of names with one key the one that was chosen as a new name, else that of most posts, else the first. */
function joinedNames(
  names: readonly string[],
  posts: readonly number[],
  chosen: ReadonlySet<string>,
  key: (name: string) => string,
): string[] {
  const weights = new Map<string, number>();
  for (const [label, name] of names.entries()) {
    weights.set(
      name,
      (weights.get(name) ?? (chosen.has(name) ? Number.MAX_SAFE_INTEGER / 2 : 0)) + (posts[label] ?? 0),
    );
  }
  const best = new Map<string, string>();
  for (const [name, weight] of weights) {
    const other = best.get(key(name));
    if (other === undefined || weight > (weights.get(other) as number)) best.set(key(name), name);
  }
  return names.map((name) => best.get(key(name)) as string);
}

/** A name that no label has is most likely misspelled. */
function warnOfUnknown(
  { ledger, classes }: Dataset,
  names: readonly string[],
  present: readonly string[],
  what: string,
  key: (name: string) => string,
): void {
  for (const name of names.filter((name) => !present.includes(key(name)))) {
    const some = classes.slice(0, 10).join(', ') + (classes.length > 10 ? ', …' : '');
    ledger.warn(`label "${name}" is to be ${what}, but no post has it; labels are ${some}`);
  }
}
