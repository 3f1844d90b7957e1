import { stat } from 'node:fs/promises';
import { readJson, writeJsonAtomic } from '@drf/files';
import { assertCalibration, type Calibration } from '@drf/judge';
import type { RunFolder } from '../run-folder.js';

const FILE = 'calibration.json';

/** Writes `calibration.json` into a run, whole or not at all. */
export function writeCalibration(run: RunFolder, calibration: Calibration): Promise<void> {
  return writeJsonAtomic(run.file(FILE), calibration);
}

/**
 * A run's calibration; null when it has none, or one of another checkpoint.
 * @throws DataError when the file is damaged
 */
export async function readCalibration(run: RunFolder, checkpoint: string): Promise<Calibration | null> {
  const path = run.file(FILE);
  if ((await stat(path).catch(() => undefined)) === undefined) return null;
  const calibration = assertCalibration(path, await readJson(path));
  return calibration.checkpoint === checkpoint ? calibration : null;
}
