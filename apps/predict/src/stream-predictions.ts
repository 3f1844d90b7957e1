import { DataError, refuser } from '@drf/tensor';
import { formatCsv } from '@drf/terminal';
import type { StreamFormat } from './flags.js';
import { Counter, csvLine, jsonLine, type JobCounts } from './finish.js';
import { judged, type PredictOptions } from './predict-posts.js';
import { flatColumns, type FlatColumns, type PredictionRow } from './prediction-row.js';
import { isRejected } from './spool.js';

export interface StreamOptions extends Omit<PredictOptions, 'out' | 'resume' | 'overwrite' | 'onProgress'> {
  readonly format: StreamFormat;
  /** Takes each judged post as soon as it is judged, as one line; is waited for. */
  readonly write: (text: string) => Promise<void>;
}

/**
 * Judges posts as they come, and hands each on before the next is read. Rows that cannot be judged go to `onRejected` only.
 * @throws DataError in CSV for a row with a column that the first one lacked: the header stands already
 */
export async function streamPredictions(options: StreamOptions): Promise<JobCounts> {
  const { judge, format, write, rawCsv, signal } = options;
  const { classes } = judge.info;
  const counter = new Counter(classes);
  let columns: FlatColumns | undefined;
  for await (const row of judged(options)) {
    counter.add(row);
    if (!isRejected(row)) {
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
