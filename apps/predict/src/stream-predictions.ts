import { readUnlabeledPosts, type SeenPosts } from '@drf/datasets';
import { DataError, refuser } from '@drf/tensor';
import { formatCsv } from '@drf/terminal';
import type { StreamFormat } from './flags.js';
import { Counter, type JobCounts } from './counts.js';
import { decodingOf, judgeRows, type TableJudge } from './judge-rows.js';
import type { ReadingOptions } from './predict-posts.js';
import { flatColumns, isRejected, type FlatColumns, type PredictionRow } from './prediction-row.js';
import { csvLine, jsonLine } from './row-writers.js';

export interface StreamOptions extends ReadingOptions {
  readonly judge: TableJudge;
  /** Which posts the run knows; left out or null where it does not say. */
  readonly seen?: SeenPosts | null;
  /** Texts in CSV as they are, also those that a spreadsheet would run. Default false. */
  readonly rawCsv?: boolean;
  readonly onRejected?: (row: number, detail: string) => void;
  readonly signal?: AbortSignal;
  readonly format: StreamFormat;
  /** Takes each judged post as soon as it is judged, as one line; is waited for. */
  readonly write: (text: string) => Promise<void>;
}

/**
 * Judges posts as they come; those of a stream are handed on before the next is read. Rows that cannot be judged go to
 * `onRejected` only.
 * @throws DataError in CSV for a row with a column that the first one lacked: the header stands already
 */
export async function streamPredictions(options: StreamOptions): Promise<JobCounts> {
  const { judge, seen = null, input, stream, format, write, rawCsv, onRejected, signal } = options;
  const { classes } = judge.info;
  const counter = new Counter(classes);
  let columns: FlatColumns | undefined;
  const results = readUnlabeledPosts(input, { ...options, decoding: decodingOf(judge.info) });
  for await (const row of judgeRows(results, judge, seen, stream && { ahead: 1 })) {
    counter.add(row);
    if (isRejected(row)) onRejected?.(row.row, row.detail);
    else {
      if (format === 'jsonl') await write(jsonLine(row));
      else {
        const head = columns === undefined;
        columns ??= flatColumns(classes, Object.keys(row.input));
        assertColumns(row, columns);
        await write(
          (head ? formatCsv(columns.names, [], { raw: rawCsv }) : '') + csvLine(row, classes, columns, { raw: rawCsv }),
        );
      }
    }
    if (signal?.aborted === true) break;
  }
  return counter.counts;
}

function assertColumns({ row, input }: PredictionRow, { own }: FlatColumns): void {
  const known = new Set(own.values());
  const other = Object.keys(input).find((name) => !known.has(name));
  if (other === undefined) return;
  throw refuser(DataError, `Row ${row}`)(
    `no other columns than the first row: ${[...known].join(', ') || 'none'}`,
    other,
    'write JSON Lines (--format jsonl), or name a file by --out, which is written when all columns are known',
  );
}
