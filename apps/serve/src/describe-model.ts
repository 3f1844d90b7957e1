import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { assertCalibration, type Calibration } from '@drf/experiment';
import { readJson } from '@drf/files';
import type { PostJudge } from '@drf/predict';
import type { ModelDescription } from '@drf/service';
import { DataError } from '@drf/tensor';

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

/** What of a card is read here. */
interface Card {
  readonly format: string;
  readonly labels: readonly string[];
  readonly method: string;
  readonly encoders: { readonly image: string; readonly text: string };
  readonly run: { readonly id: string; readonly checkpoint: string };
  readonly preprocessing: {
    readonly image: { readonly decodedSize: number };
    readonly text: { readonly maskToken?: string };
  };
  readonly calibration: Calibration | null;
}

const CARD_FORMAT = 'drf-onnx-1';
const LARGEST_CARD = 16 * 2 ** 20;

/**
 * What the service says of a folder that `pnpm export` wrote, by its `card.json`.
 * @throws DataError when it is no such folder
 */
export async function describeExport(folder: string): Promise<ModelDescription> {
  const path = join(folder, 'card.json');
  const card = ((await readJson(path, LARGEST_CARD)) ?? {}) as Partial<Card>;
  const { labels, method, encoders, run, preprocessing, calibration } = card;
  const imageSize = preprocessing?.image?.decodedSize;
  if (
    card.format !== CARD_FORMAT ||
    labels === undefined ||
    method === undefined ||
    encoders === undefined ||
    run === undefined ||
    imageSize === undefined ||
    calibration === undefined
  ) {
    // prettier-ignore
    throw new DataError({
      subject: path,
      expected: `a whole card of format ${CARD_FORMAT}`,
      received: card.format === CARD_FORMAT ? 'one of an earlier version, or a damaged one' : `format ${JSON.stringify(card.format)}`, // prettier-ignore
      remedy: 'export the run again: pnpm export RUN --out FOLDER --overwrite',
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
    imageSize,
    maskToken: preprocessing?.text?.maskToken ?? null,
    calibration: calibration === null ? null : describeCalibration(assertCalibration(path, calibration)),
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
