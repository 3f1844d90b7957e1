import { join } from 'node:path';
import type { Calibration } from '@drf/experiment';
import { readJson } from '@drf/files';
import { DataError } from '@drf/tensor';

export const CARD_FILE = 'card.json';
/** What `pnpm export` writes. */
const FORMAT = 'drf-onnx-1';
const OPSET = 17;
const LARGEST_CARD = 16 * 1024 * 1024;

/** A model file as the card describes it. */
export interface CardFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly opset: number;
  readonly batch: 'any' | number;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly (number | string)[] }[];
  readonly outputs: readonly { readonly name: string }[];
}

/** The parts of `card.json` that judging needs. */
export interface Card {
  readonly format: string;
  readonly labels: readonly string[];
  readonly method: string;
  readonly run: { readonly checkpoint: string };
  /** Before they are, densities mean nothing; null for methods without queues. */
  readonly queues: { readonly ready: boolean } | null;
  readonly encoders: { readonly image: string; readonly text: string };
  readonly files: Readonly<Record<string, CardFile>>;
  readonly calibration?: Calibration | null;
  readonly preprocessing: {
    readonly image: { readonly decodedSize?: number; readonly size?: readonly [number, number] };
    readonly text: { readonly vocabulary?: string; readonly length?: number };
  };
}

/** Inputs of a model that reads posts as they are. */
const WHOLE = ['imageAvailable', 'pixels', 'textAvailable', 'tokenMask', 'tokens'];

/**
 * Reads an export's card, and sees to it that its model reads images and texts as they are.
 * @throws DataError for no card, a damaged one, one of another format or opset, and for exports that read features
 */
export async function readCard(folder: string): Promise<Card & { readonly model: CardFile }> {
  const path = join(folder, CARD_FILE);
  const card = (await readJson(path, LARGEST_CARD)) as Partial<Card>;
  const refuse = (expected: string, received: string, remedy: string): DataError =>
    new DataError({ subject: path, expected, received, remedy });
  if (card?.format !== FORMAT) {
    throw refuse(`format ${FORMAT}`, JSON.stringify(card?.format) ?? 'none', 'export the run again');
  }
  if (!isCard(card)) {
    const again = 'restore the folder, or export the run again';
    throw refuse('labels, files and preprocessing of an export', 'a damaged card', again);
  }
  const model = card.files['model.onnx'];
  if (model === undefined) {
    throw refuse(
      'a model.onnx, which reads images and texts',
      `an export of ${Object.keys(card.files).join(', ')} alone, which reads features`,
      'export the run again without --head-only; where its encoders cannot be exported, judge by the run itself',
    );
  }
  if (model.opset !== OPSET) {
    throw refuse(`opset ${OPSET}`, `opset ${model.opset}`, 'export the run again by this version');
  }
  const names = model.inputs.map(({ name }) => name).sort();
  if (names.join() !== WHOLE.join()) {
    const features = names.filter((name) => name === 'image' || name === 'text');
    const received = `one that reads features of the ${features.join(' and ')} encoder`;
    const remedy = 'judge by the run itself: its other encoder is not part of the export';
    throw refuse('a model.onnx that reads pixels and word pieces', received, remedy);
  }
  return { ...card, model };
}

function isCard(card: Partial<Card>): card is Card {
  const { labels, run, files, preprocessing, encoders } = card;
  return (
    Array.isArray(labels) &&
    labels.length > 1 &&
    labels.every((label) => typeof label === 'string') &&
    typeof run?.checkpoint === 'string' &&
    typeof encoders?.image === 'string' &&
    typeof preprocessing?.image === 'object' &&
    typeof preprocessing.text === 'object' &&
    typeof files === 'object' &&
    Object.values(files).every(
      ({ sha256, inputs, outputs }) => typeof sha256 === 'string' && Array.isArray(inputs) && Array.isArray(outputs),
    )
  );
}
