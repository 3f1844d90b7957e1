import { stat } from 'node:fs/promises';
import { readJson, writeJsonAtomic } from '@drf/files';
import { DataError, MODALITIES, type Modality } from '@drf/tensor';
import type { RunFolder } from '../run-folder.js';

/** What a run's result needs to speak of single posts, measured once at the end of training: `calibration.json`. */
export interface Calibration {
  readonly format: typeof CALIBRATION_FORMAT;
  /** The checkpoint that it belongs to. */
  readonly checkpoint: string;
  /** Fitted on the validation split (under the run's disruption); null without one. */
  readonly temperature: {
    readonly temperature: number;
    /** Mean negative log-likelihood on those posts before and after. */
    readonly before: number;
    readonly after: number;
    readonly posts: number;
  } | null;
  /**
   * Quantiles (steps of 1/200) of the log relative density of the training posts' features, by modality; null for
   * methods that estimate none, and for a modality that no training post has.
   */
  readonly quality: Readonly<Record<Modality, readonly number[] | null>> | null;
}

export const CALIBRATION_FORMAT = 'drf-calibration-1';
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

/** @throws DataError unless it is what {@link writeCalibration} writes */
export function assertCalibration(path: string, value: unknown): Calibration {
  const { format, checkpoint, temperature, quality } = (value ?? {}) as Partial<Calibration>;
  const whole =
    format === CALIBRATION_FORMAT &&
    typeof checkpoint === 'string' &&
    (temperature === null || (temperature?.temperature ?? 0) > 0) &&
    (quality === null || MODALITIES.every((modality) => isDistribution(quality?.[modality])));
  if (whole) return value as Calibration;
  throw new DataError({
    subject: path,
    expected: `a calibration of format ${CALIBRATION_FORMAT}`,
    received: format === CALIBRATION_FORMAT ? 'a damaged one' : `format ${JSON.stringify(format)}`,
    remedy: 'restore the file, or train again',
  });
}

function isDistribution(value: unknown): boolean {
  if (value === null) return true;
  const isAscending = (list: readonly unknown[]): boolean =>
    list.every((item, i) => Number.isFinite(item) && (i === 0 || (list[i - 1] as number) <= (item as number)));
  return Array.isArray(value) && value.length > 1 && isAscending(value);
}
