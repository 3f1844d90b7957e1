import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RunFolder } from '@drf/experiment';
import { ENSEMBLE_FILE, fileHash, withMembers, writeEnsemble, type EnsembleMember } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import { exportRun, type ExportOptions, type ExportResult } from './export-run.js';
import { prepareOutput } from './output-folder.js';

const MEMBER_NAME = /^member\d+$/;

/** What was written of an ensemble. */
export interface EnsembleExportResult {
  /** One a member, in their order. */
  readonly members: readonly ExportResult[];
  /** Path of `ensemble.json`. */
  readonly ensemble: string;
}

/**
 * Exports several runs into one folder that judges as they do together: `member1`, `member2`, … as {@link exportRun}
 * writes them, and `ensemble.json`, which goes first and comes last. Each member holds its encoders.
 * @param folders of runs, and of ensembles of runs, whose members count the same as runs that are named alone
 * @throws as {@link exportRun}; ConfigurationError for a single run, a checkpoint or the heads alone, and for runs of other
 *   classes; DataError for a member that is not the one that its ensemble was made of
 */
export async function exportEnsemble(
  folders: readonly string[],
  options: ExportOptions,
): Promise<EnsembleExportResult> {
  const { out, overwrite = false, checkpoint, headOnly = false, onProgress } = options;
  const runs = await withMembers(folders);
  const refuse = refuser(ConfigurationError, 'Export of an ensemble');
  if (runs.length < 2) throw refuse('several runs', String(runs.length), 'export the run alone');
  if (checkpoint !== undefined) {
    throw refuse('each run by its result', `checkpoint ${checkpoint}`, 'leave it out, or export that run alone');
  }
  if (headOnly) throw refuse('models that judge posts', 'heads alone', 'export each run alone');
  for (const { folder, sha256 } of runs) await assertMember(folder, sha256, runs[0]?.folder as string);
  const present = await readdir(out).catch(() => []);
  const earlier = present.filter((name) => MEMBER_NAME.test(name));
  await prepareOutput(out, overwrite, [ENSEMBLE_FILE, ...earlier]);
  for (const name of [ENSEMBLE_FILE, ...earlier]) await rm(join(out, name), { recursive: true, force: true });
  const [members, listed]: [ExportResult[], EnsembleMember[]] = [[], []];
  for (const [index, { folder }] of runs.entries()) {
    onProgress?.(`Member ${index + 1} of ${runs.length}: ${folder}`);
    const member = join(out, `member${index + 1}`);
    const result = await exportRun(folder, { ...options, out: member });
    const { files } = result.card;
    members.push(result);
    listed.push({ folder: member, sha256: (files['model.onnx'] ?? files['head.onnx'])?.sha256 as string });
  }
  return { members, ensemble: await writeEnsemble(out, listed) };
}

/** @throws DataError for a run whose checkpoint changed; ConfigurationError for one of other classes than the first */
async function assertMember(folder: string, sha256: string | undefined, first: string): Promise<void> {
  const run = await RunFolder.open(folder);
  const classesOf = async (own: RunFolder): Promise<string> =>
    [...(await own.readDescription()).classes].sort().join(', ');
  const [classes, expected] = [await classesOf(run), await classesOf(await RunFolder.open(first))];
  if (classes !== expected) {
    const refuse = refuser(ConfigurationError, `Ensemble, member ${folder},`);
    throw refuse(`the classes of ${first}: ${expected}`, classes, 'leave it out');
  }
  const received = sha256 === undefined ? undefined : await fileHash(await run.resultCheckpoint());
  if (received === sha256) return;
  const refuse = refuser(DataError, `Ensemble member ${folder}`);
  throw refuse(`weights of SHA-256 ${sha256}`, received ?? 'none', 'restore the folder, or make the ensemble again');
}
