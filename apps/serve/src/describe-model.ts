import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { stat } from 'node:fs/promises';
import { assertCalibration, type Calibration } from '@drf/experiment';
import { readJson } from '@drf/files';
import type { PostJudge } from '@drf/predict';
import type { ModelDescription } from '@drf/service';
import { DataError } from '@drf/tensor';

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** What the service says of a run. */
export function describeJudge(judge: PostJudge): ModelDescription {
  const { classes, method, encoders, engine, imageSize, source, calibration } = judge;
  return {
    version,
    classes: [...classes],
    method,
    encoders: { ...encoders },
    run: basename(source.run),
    checkpoint: source.checkpoint,
    engine,
    imageSize,
    calibration: describeCalibration(calibration),
  };
}

/**
 * What the service says of a folder that `pnpm export` wrote, by its `card.json` (and `calibration.json`, where it has
 * one).
 * @throws DataError when it is no such folder
 */
export async function describeExport(folder: string): Promise<ModelDescription> {
  const path = join(folder, 'card.json');
  const { format, labels, method, encoders, run } = ((await readJson(path, 16 * 2 ** 20)) ?? {}) as Partial<Card>;
  if (
    format !== 'drf-onnx-1' ||
    labels === undefined ||
    method === undefined ||
    encoders === undefined ||
    run === undefined
  ) {
    throw new DataError({
      subject: path,
      expected: 'a card of format drf-onnx-1',
      received: `format ${JSON.stringify(format)}`,
      remedy: 'export the run again: pnpm export RUN --out FOLDER',
    });
  }
  return {
    version,
    classes: [...labels],
    method,
    encoders,
    run: run.id,
    checkpoint: run.checkpoint,
    engine: null,
    imageSize: 224,
    calibration: describeCalibration(await calibrationOf(folder)),
  };
}

interface Card {
  readonly format: string;
  readonly labels: readonly string[];
  readonly method: string;
  readonly encoders: { readonly image: string; readonly text: string };
  readonly run: { readonly id: string; readonly checkpoint: string };
}

async function calibrationOf(folder: string): Promise<Calibration | null> {
  const path = join(folder, 'calibration.json');
  if ((await stat(path).catch(() => undefined)) === undefined) return null;
  return assertCalibration(path, await readJson(path, 16 * 2 ** 20));
}

function describeCalibration(calibration: Calibration | null): ModelDescription['calibration'] {
  if (calibration === null) return null;
  const { temperature, quality } = calibration;
  const copy = (list: readonly number[] | null): number[] | null => (list === null ? null : [...list]);
  return {
    temperature: temperature?.temperature ?? null,
    quality: quality === null ? null : { image: copy(quality.image), text: copy(quality.text) },
  };
}
