import { join } from 'node:path';
import { z } from 'zod';
import { assertCalibration, type Calibration } from '@drf/experiment';
import { readJson } from '@drf/files';
import { DataError } from '@drf/tensor';

export const CARD_FILE = 'card.json';
/** What `pnpm export` writes. */
const FORMAT = 'drf-onnx-1';
const OPSET = 17;
const LARGEST_CARD = 16 * 1024 * 1024;

const count = z.int().min(1).max(65_536);
const tensor = z.looseObject({ name: z.string(), shape: z.array(z.union([count, z.string()])) });
const modalityNames = z.looseObject({ image: z.string(), text: z.string() });

/** A model file as the card describes it. */
const fileSchema = z.looseObject({
  sha256: z.string(),
  bytes: z.number(),
  opset: z.number(),
  batch: z.union([z.literal('any'), count]),
  inputs: z.array(tensor),
  outputs: z.array(tensor),
});
export type CardFile = z.infer<typeof fileSchema>;

/** The parts of `card.json` that programs need; its calibration is checked by itself. */
const cardSchema = z.looseObject({
  format: z.literal(FORMAT),
  labels: z
    .array(z.string().min(1))
    .min(2)
    .refine((labels) => new Set(labels).size === labels.length, 'a name occurs twice'),
  method: z.string(),
  run: z.looseObject({ id: z.string(), checkpoint: z.string() }),
  /** Before they are, densities mean nothing; null for methods without queues. */
  queues: z.looseObject({ ready: z.boolean() }).nullable(),
  encoders: modalityNames,
  files: z.record(z.string(), fileSchema),
  preprocessing: z.looseObject({
    image: z.looseObject({ decodedSize: count }),
    text: z.looseObject({ vocabulary: z.string().optional(), maskToken: z.string().optional() }),
  }),
});
export interface Card extends z.infer<typeof cardSchema> {
  readonly calibration: Calibration | null;
}

/** Inputs of a model that reads posts as they are. */
const WHOLE = ['imageAvailable', 'pixels', 'textAvailable', 'tokenMask', 'tokens'];

/**
 * Reads the card of a folder that `pnpm export` wrote.
 * @throws DataError for no card, a damaged one, or one of another format
 */
export async function readCard(folder: string): Promise<Card> {
  const path = join(folder, CARD_FILE);
  const value = (await readJson(path, LARGEST_CARD)) as Partial<Card> | null;
  if (value?.format !== FORMAT) {
    throw refusal(path, `format ${FORMAT}`, JSON.stringify(value?.format) ?? 'none', 'export the run again');
  }
  const result = cardSchema.safeParse(value);
  if (result.success && value.calibration !== undefined) {
    const { calibration } = value;
    return { ...result.data, calibration: calibration === null ? null : assertCalibration(path, calibration) };
  }
  const issue = result.error?.issues[0];
  const what = issue === undefined ? 'calibration: nothing' : `${issue.path.join('.')}: ${issue.message}`;
  const again = 'restore the folder, or export the run again: pnpm export RUN --out FOLDER --overwrite';
  throw refusal(path, 'the card of an export', `one of an earlier version, or a damaged one (${what})`, again);
}

function refusal(subject: string, expected: string, received: string, remedy: string): DataError {
  return new DataError({ subject, expected, received, remedy });
}

/** Dimensions of the inputs that have more than that of the posts. */
const RANKS: ReadonlyMap<string, number> = new Map([['pixels', 4], ['tokens', 2], ['tokenMask', 2]]); // prettier-ignore

/**
 * Reads an export's card, and sees to it that its model reads images and texts as they are.
 * @throws DataError as {@link readCard}, for another opset, and for exports that read features
 */
export async function readJudgingCard(folder: string): Promise<Card & { readonly model: CardFile }> {
  const path = join(folder, CARD_FILE);
  const card = await readCard(folder);
  const refuse = (expected: string, received: string, remedy: string): DataError =>
    refusal(path, expected, received, remedy);
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
  const again = 'restore the folder, or export the run again';
  const wrong = model.inputs.find(({ name, shape }) => !isSized(shape, RANKS.get(name) ?? 1));
  if (wrong !== undefined) throw refuse('inputs of known sizes', `${wrong.name} of [${wrong.shape.join(', ')}]`, again);
  const classes = model.outputs.find(({ name }) => name === 'probabilities')?.shape[1];
  if (classes !== card.labels.length) {
    throw refuse(`${classes ?? 'some'} labels, as its model has probabilities`, String(card.labels.length), again);
  }
  return { ...card, model };
}

/** A first size for the posts, which may be open, and numbers behind it. */
function isSized([, ...sizes]: readonly (number | string)[], rank: number): boolean {
  return sizes.length === rank - 1 && sizes.every((size) => typeof size === 'number');
}
