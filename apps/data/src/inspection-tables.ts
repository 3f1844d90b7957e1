import {
  lossWarning,
  type DuplicateReport,
  type Inspection,
  type LedgerReport,
  type NumberSummary,
  type SelectedSplit,
  type SplitFile,
} from '@drf/datasets';
import { formatTable, percent } from '@drf/terminal';

/** How a split file fits the data set. */
export interface SplitCheck {
  readonly path: string;
  readonly form: SplitFile['form'];
  readonly name: string;
  readonly ids: number;
  readonly found: number;
  readonly absent: SelectedSplit['absent'];
  readonly comparedLabels: number;
  readonly disagreements: SelectedSplit['disagreements'];
}

/** An inspection for people: tables, with the numbers that decide first. */
export function describeInspection(
  inspection: Inspection,
  splits: readonly SplitCheck[],
  listDropped: boolean,
): string {
  const { ledger } = inspection;
  const parts = [
    `${inspection.dataset}: ${ledger.source}`,
    ledgerTable(ledger),
    ...[lossWarning(ledger) ?? []].flat().map((warning) => `Warning: ${warning}`),
    ...ledger.notes.map(
      (note) =>
        `${note.isWarning === true ? 'Warning' : 'Note'}: ${note.message}${note.ids.length === 0 ? '' : ` (${examples(note.ids)})`}`,
    ),
    ...(listDropped ? [droppedList(ledger)] : []),
    ...splits.map(splitLine),
    classTable(inspection),
    sizeTable(inspection),
    contentLine(inspection),
    ...duplicateLines(inspection.duplicates),
  ];
  return `${parts.join('\n')}\n`;
}

/** "3, 17, 20 and 355 more". */
function examples(ids: readonly string[], count = 5): string {
  const shown = ids.slice(0, count).join(', ');
  return ids.length > count ? `${shown} and ${ids.length - count} more` : shown;
}

/** The ledger as a table: kept, and dropped for each reason. */
export function ledgerTable(ledger: LedgerReport): string {
  return formatTable(
    ['rows', 'posts', 'ids'],
    [
      ['kept', ledger.kept, ''],
      ...ledger.reasons.map(({ reason, count, ids }) => [`dropped: ${reason}`, count, examples(ids)]),
      ['all', ledger.rows, ''],
    ],
  );
}

function droppedList(ledger: LedgerReport): string {
  const rows = ledger.reasons.flatMap((reason) => reason.rows);
  return rows.map((row) => `  ${row.id}: ${row.reason}${row.detail === undefined ? '' : `: ${row.detail}`}`).join('\n');
}

function splitLine(split: SplitCheck): string {
  const agreement =
    split.comparedLabels === 0
      ? ''
      : split.disagreements.length === 0
        ? `; all ${split.comparedLabels} labels agree`
        : `; ${split.disagreements.length} of ${split.comparedLabels} labels DISAGREE (${examples(split.disagreements.map(({ id, dataset, split: other }) => `${id}: ${dataset} here, ${other} there`))}); the data set's own are used`;
  const absent = split.absent.map(({ id, reason }) => `${id} (${reason})`);
  const missing = absent.length === 0 ? '' : `; not in the data set: ${examples(absent)}`;
  return `Split ${split.path}: ${split.found} of ${split.ids} posts found${missing}${agreement}`;
}

function classTable({ classes, splits, posts }: Inspection): string {
  const row = (name: string, counts: Readonly<Record<string, number>>, total: number): (string | number)[] => [
    name,
    ...Object.values(counts).map((count) => `${count} (${total === 0 ? '0.0' : percent(count / total)} %)`),
    total,
  ];
  const rows = splits.map((split) => row(split.name, split.classes, split.posts));
  return formatTable(['posts', ...Object.keys(classes), 'all'], [...rows, row('data set', classes, posts)]);
}

function sizeTable({ text, image }: Inspection): string {
  const summaries: readonly (readonly [string, NumberSummary | null])[] = [
    ['text, characters', text.characters],
    ['text, words', text.words],
    ['image, width', image.width],
    ['image, height', image.height],
    ['image, KB', scaled(image.bytes, 1 / 1000)],
  ];
  const rows = summaries.flatMap(([name, summary]) => (summary === null ? [] : [summaryRow(name, summary)]));
  return formatTable(['size', 'smallest', 'median', 'mean', 'largest'], rows);
}

function scaled(summary: NumberSummary | null, factor: number): NumberSummary | null {
  if (summary === null) return null;
  const { count, minimum, median, mean, maximum } = summary;
  return { count, minimum: minimum * factor, median: median * factor, mean: mean * factor, maximum: maximum * factor };
}

function summaryRow(name: string, { minimum, median, mean, maximum }: NumberSummary): (string | number)[] {
  const short = (value: number): number => Math.round(value * 10) / 10;
  return [name, short(minimum), short(median), short(mean), short(maximum)];
}

function contentLine({ text, image, check }: Inspection): string {
  const formats = Object.entries(image.formats).map(([format, count]) => `${count} ${format}`);
  const kinds = formats.length === 0 ? '' : ` (${formats.join(', ')}; checked by ${check})`;
  const images = `images: ${image.present}${kinds}, ${image.missing} missing`;
  return `Texts: ${text.present}, ${text.missing} missing, ${text.withLostEmoji} with "??" (lost emoji); ${images}`;
}

/** Duplicates within the data, then across splits. */
export function duplicateLines({ texts, images, posts, sharedIds }: DuplicateReport): string[] {
  const where = texts.overlaps.length === 0 ? '' : ' in these splits';
  const within = `Exact duplicates${where}: ${texts.surplus} texts, ${images.surplus} images, ${posts.surplus} whole posts`;
  const labels = posts.groups.filter((group) => group.labelsDiffer).length;
  const lines = [labels === 0 ? within : `${within} (${labels} groups of the same post with different labels)`];
  if (sharedIds.length > 0) lines.push(`Ids in more than one split: ${examples(sharedIds)}`);
  if (texts.overlaps.length === 0) return lines;
  const rows = texts.overlaps.map((overlap, index) => [
    overlap.split,
    overlap.other,
    overlap.posts,
    images.overlaps[index]?.posts ?? 0,
    posts.overlaps[index]?.posts ?? 0,
    overlap.of,
  ]);
  return [...lines, formatTable(['posts of', 'also in', 'same text', 'same image', 'both', 'of'], rows)];
}
