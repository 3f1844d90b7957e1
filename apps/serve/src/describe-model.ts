import { createRequire } from 'node:module';
import { basename } from 'node:path';
import type { Calibration } from '@drf/experiment';
import { readCard, type PostJudge } from '@drf/predict';
import type { ModelDescription } from '@drf/service';

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** What the service says of a run. */
export function describeJudge(judge: PostJudge): ModelDescription {
  const { classes, method, encoders, engine, imageSize, maskToken, source, calibration } = judge;
  return {
    version,
    classes: [...classes],
    method,
    encoders: { ...encoders },
    run: basename(source.run),
    checkpoint: source.checkpoint,
    engine,
    imageSize,
    maskToken,
    calibration: describeCalibration(calibration),
  };
}

/**
 * What the service says of a folder that `pnpm export` wrote, by its `card.json`.
 * @throws DataError when it is no such folder
 */
export async function describeExport(folder: string): Promise<ModelDescription> {
  const { labels, method, encoders, run, preprocessing, calibration } = await readCard(folder);
  return {
    version,
    classes: [...labels],
    method,
    encoders: { image: encoders.image, text: encoders.text },
    run: run.id,
    checkpoint: run.checkpoint,
    engine: null,
    imageSize: preprocessing.image.decodedSize,
    maskToken: preprocessing.text.maskToken ?? null,
    calibration: describeCalibration(calibration),
  };
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
