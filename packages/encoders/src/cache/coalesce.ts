import type { Segment } from './segment.js';

/** Where a row is. */
export interface RowPlace {
  readonly segment: Segment;
  readonly row: number;
}

/** A row that someone asked for, as the i-th of a list. */
export interface WantedRow {
  readonly place: RowPlace;
  readonly i: number;
}

/** Neighboring rows of one segment that are read in one go. */
export interface RowRun {
  readonly segment: Segment;
  readonly firstRow: number;
  readonly count: number;
  readonly wanted: readonly WantedRow[];
}

const LARGEST_READ = 8 * 1024 * 1024;

/** Groups rows into runs of neighbors, each read at most 8 MiB. */
export function coalesce(wanted: readonly WantedRow[], rowLength: number): RowRun[] {
  const bySegment = new Map<Segment, WantedRow[]>();
  for (const item of wanted) {
    const list = bySegment.get(item.place.segment);
    if (list === undefined) bySegment.set(item.place.segment, [item]);
    else list.push(item);
  }
  const longest = Math.max(1, Math.floor(LARGEST_READ / rowLength));
  return [...bySegment].flatMap(([segment, list]) => runsOf(segment, list, longest));
}

function runsOf(segment: Segment, list: WantedRow[], longest: number): RowRun[] {
  const runs: { segment: Segment; firstRow: number; count: number; wanted: WantedRow[] }[] = [];
  for (const item of list.sort((a, b) => a.place.row - b.place.row)) {
    const last = runs.at(-1);
    const offset = last === undefined ? 0 : item.place.row - last.firstRow;
    if (last !== undefined && offset <= last.count && offset < longest) {
      last.count = offset + 1;
      last.wanted.push(item);
    } else {
      runs.push({ segment, firstRow: item.place.row, count: 1, wanted: [item] });
    }
  }
  return runs;
}
