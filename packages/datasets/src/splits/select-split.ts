import { DataError } from '@drf/tensor';
import type { Dataset, PostRecord } from '../dataset.js';
import { foldLabel } from '../relabel.js';
import type { DropReason } from '../ledger.js';
import { withNames, type SplitFile } from './split-file.js';

/** A post whose published label is not the data set's. */
export interface LabelDisagreement {
  readonly id: string;
  readonly dataset: string;
  readonly split: string;
}

/** The posts of a split that a data set holds, and how far the two agree. */
export interface SelectedSplit {
  readonly name: string;
  readonly records: readonly PostRecord[];
  /** Ids of the split that the data set did not keep, with the ledger's reason; `unknown id` when it never had them. */
  readonly absent: readonly { readonly id: string; readonly reason: DropReason | 'unknown id' }[];
  /** Posts of a published split whose label there is another (case does not count). The data set's own label stays. */
  readonly disagreements: readonly LabelDisagreement[];
  /** Labels that were compared: all of a published split that the data set holds. */
  readonly comparedLabels: number;
}

/**
 * Looks a split's ids up in a data set, in the split's order.
 * @throws DataError when the data set holds none of them (a split of another data set)
 */
export function selectSplit(dataset: Dataset, split: SplitFile): SelectedSplit {
  const byId = new Map(dataset.records.map((record) => [record.id, record]));
  const reasons = new Map(dataset.ledger.dropped.map((row) => [row.id, row.reason]));
  const records = split.ids.flatMap((id) => byId.get(id) ?? []);
  const absent = split.ids
    .filter((id) => !byId.has(id))
    .map((id) => ({ id, reason: reasons.get(id) ?? ('unknown id' as const) }));
  if (records.length === 0) throw noneFound(dataset, split);
  const compared = withNames(split.posts, dataset.classes).filter((post) => byId.has(post.id));
  const disagreements = compared.flatMap(({ id, label }): LabelDisagreement[] => {
    const own = dataset.classes[byId.get(id)?.label ?? -1] ?? '';
    return foldLabel(own) === foldLabel(label) ? [] : [{ id, dataset: own, split: label }];
  });
  return { name: split.name, records, absent, disagreements, comparedLabels: compared.length };
}

/** The records of a split that the data itself assigns. @throws DataError naming the splits that there are */
export function recordsOfSplit(dataset: Dataset, name: string): readonly PostRecord[] {
  const records = dataset.records.filter((record) => record.split === name);
  if (records.length > 0) return records;
  const present = [...new Set(dataset.records.flatMap((record) => record.split ?? []))].sort();
  throw new DataError({
    subject: `Data set ${dataset.name}`,
    expected: `posts of split "${name}"`,
    received: present.length === 0 ? 'posts without splits' : `splits ${present.join(', ')}`,
    remedy: 'name one of these, or make split files',
  });
}

function noneFound(dataset: Dataset, split: SplitFile): DataError {
  return new DataError({
    subject: `Split file ${split.path}`,
    expected: `ids of data set ${dataset.name}`,
    received: split.ids.length === 0 ? 'no ids' : `${split.ids.length} others, such as ${split.ids[0]}`,
    remedy: 'check that split and data set belong together',
  });
}
