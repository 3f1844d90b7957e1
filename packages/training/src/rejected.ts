import type { LedgerReport } from '@drf/datasets';
import type { RunFolder } from '@drf/experiment';
import { writeFileAtomic, writeJsonAtomic } from '@drf/files';

/** Where a run lists the rows of its data that it does not use. */
const FILE = 'rejected.jsonl';

/**
 * Writes a line for each row that is not used: its line in the file, id, reason and what to do.
 * @returns the file's path; null where every row is used, and no file is written
 */
async function writeRejected(run: RunFolder, { reasons }: LedgerReport): Promise<string | null> {
  const rows = reasons.flatMap(({ rows: dropped }) => dropped);
  if (rows.length === 0) return null;
  const path = run.file(FILE);
  const lines = rows.map(({ line, id, reason, detail }) => JSON.stringify({ line: line ?? null, id, reason, detail }));
  await writeFileAtomic(path, `${lines.join('\n')}\n`);
  return path;
}

/**
 * Writes what became of each row: counts to `ledger.json`, the rows that are not used to `rejected.jsonl`.
 * @returns the second's path; null where every row is used
 */
export async function writeLedger(run: RunFolder, ledger: LedgerReport): Promise<string | null> {
  await writeJsonAtomic(run.file('ledger.json'), ledger);
  return writeRejected(run, ledger);
}
