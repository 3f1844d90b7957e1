import * as z from 'zod/mini'; // `{ z }` would bring messages in every language into a page
import { DataError, refuser } from '@drf/tensor';
import { assertCalibration, type Calibration } from './calibration.js';

/** Name of the card's file. */
export const CARD_FILE = 'card.json';
/** Name of the file of a model that reads posts as they are. */
export const MODEL_FILE = 'model.onnx';
/** Tells other programs what they look at. */
export const CARD_FORMAT = 'drf-onnx-1';

const count = z.int().check(z.minimum(1), z.maximum(65_536));
const note = z.optional(z.unknown());

const tensorSchema = z.object({
  name: z.string(),
  /** Sizes; `batch` stands for any number of posts. */
  shape: z.array(z.union([count, z.string()])),
  dtype: z.optional(z.string()),
  meaning: z.optional(z.string()),
});

const fileSchema = z.object({
  sha256: z.string(),
  bytes: z.number(),
  opset: z.number(),
  irVersion: z.optional(z.number()),
  batch: z.union([z.literal('any'), count]),
  inputs: z.array(tensorSchema),
  outputs: z.array(tensorSchema),
});

/**
 * `card.json`, which tells other programs what an export holds: of `drf export`, which writes it, and of `openJudge`, the
 * service and the page, which read it. Optional is what only people read, and what exports of the head alone lack. It is
 * of `zod/mini`, which compiles no code, since the page's security policy allows none.
 */
const cardSchema = z.object({
  format: z.literal(CARD_FORMAT),
  labels: z.array(z.string().check(z.minLength(1))).check(
    z.minLength(2),
    z.refine((labels) => new Set(labels).size === labels.length, 'a name occurs twice'),
  ),
  method: z.string(),
  seed: note,
  dataset: note,
  trainingDisruption: note,
  run: z.object({ id: z.string(), checkpoint: z.string() }),
  exportedWith: note,
  model: note,
  /** Before they are ready, densities mean nothing; null for methods without queues. */
  queues: z.nullable(z.object({ ready: z.boolean() })),
  encoders: z.object({ image: z.string(), text: z.string() }),
  /** By name. */
  files: z.record(z.string(), fileSchema),
  /** How weights are stored where that is not float32, and what it costs. */
  precision: note,
  preprocessing: z.object({
    image: z.object({ decodedSize: count, size: z.optional(z.array(count)) }),
    text: z.object({
      steps: note,
      vocabulary: z.optional(z.string()),
      length: z.optional(count),
      maskToken: z.optional(z.string()),
      /** Texts with their word pieces: a program that cuts them otherwise would judge other words. */
      examples: z.optional(z.array(z.object({ text: z.string(), tokens: z.array(z.number()) }))),
    }),
    missing: note,
  }),
  licenses: note,
  notes: z.optional(z.array(z.string())),
});

/** A model file as the card describes it. */
export type CardFile = z.infer<typeof fileSchema>;

/** What `card.json` holds. */
export interface Card extends z.infer<typeof cardSchema> {
  /** As training left it; null for runs without one: then temperature is 1, and no quality is known. */
  readonly calibration: Calibration | null;
}

/**
 * Checks what was read of a `card.json`.
 * @param subject where it was read
 * @throws DataError for a damaged one, and for one of another format
 */
export function parseCard(subject: string, value: unknown): Card {
  const refuse = refuser(DataError, subject);
  const { format, calibration } = (value ?? {}) as { readonly format?: unknown; readonly calibration?: unknown };
  if (format !== CARD_FORMAT) {
    throw refuse(`format ${CARD_FORMAT}`, JSON.stringify(format) ?? 'none', 'export the run again');
  }
  const { data, error } = cardSchema.safeParse(value);
  if (data !== undefined && calibration !== undefined) {
    return { ...data, calibration: calibration === null ? null : assertCalibration(subject, calibration) };
  }
  const issue = error?.issues[0];
  const what = issue === undefined ? 'calibration: nothing' : `${issue.path.join('.')}: ${issue.message}`;
  throw refuse(
    'the card of an export',
    `one of an earlier version, or a damaged one (${what})`,
    'restore the folder, or export the run again (export RUN --out FOLDER --overwrite)',
  );
}

/** Dimensions of the inputs of a model that reads posts as they are. */
const RANKS = new Map([['imageAvailable', 1], ['pixels', 4], ['textAvailable', 1], ['tokenMask', 2], ['tokens', 2]]); // prettier-ignore
const OPSET = 17;

/** What a program needs to know to judge by a model that reads posts as they are. */
export interface JudgingModel extends Pick<CardFile, 'sha256' | 'bytes' | 'outputs'> {
  /** Posts at once; `any` for any number. */
  readonly batch: CardFile['batch'];
  /** Side of the image that it reads, in pixels. */
  readonly side: number;
  /** Word pieces of a text that it reads. */
  readonly length: number;
  /** Name of the file of word pieces. */
  readonly vocabulary: string;
}

/**
 * The model of an export that reads images and texts as they are.
 * @param subject where the card was read
 * @throws DataError for another opset, and for exports that read features
 */
export function judgingModel(subject: string, { files, labels, preprocessing }: Card): JudgingModel {
  const refuse = refuser(DataError, subject);
  const model = files[MODEL_FILE];
  if (model === undefined) {
    throw refuse(
      `a ${MODEL_FILE}, which reads images and texts`,
      `an export of ${Object.keys(files).join(', ')} alone, which reads features`,
      'export the run again without --head-only; where its encoders cannot be exported, judge by the run itself',
    );
  }
  const { opset, inputs, outputs } = model;
  if (opset !== OPSET) throw refuse(`opset ${OPSET}`, `opset ${opset}`, 'export the run again by this version');
  const names = inputs.map(({ name }) => name).sort();
  if (names.join() !== [...RANKS.keys()].join()) {
    const features = names.filter((name) => name === 'image' || name === 'text');
    throw refuse(
      `a ${MODEL_FILE} that reads pixels and word pieces`,
      `one that reads features of the ${features.join(' and ')} encoder`,
      'judge by the run itself: its other encoder is not part of the export',
    );
  }
  const again = 'restore the folder, or export the run again';
  const sizes = (name: string): readonly (number | string)[] =>
    inputs.find((input) => input.name === name)?.shape.slice(1) ?? [];
  for (const [name, rank] of RANKS) {
    if (sizes(name).length === rank - 1 && sizes(name).every((size) => typeof size === 'number')) continue;
    throw refuse('inputs of known sizes', `${name} of [${['batch', ...sizes(name)].join(', ')}]`, again);
  }
  const classes = outputs.find(({ name }) => name === 'probabilities')?.shape[1];
  if (classes !== labels.length) {
    throw refuse(`${classes ?? 'some'} labels, as its model has probabilities`, String(labels.length), again);
  }
  const [side, length] = [sizes('pixels')[0] as number, sizes('tokens')[0] as number];
  return { ...model, side, length, vocabulary: preprocessing.text.vocabulary ?? 'vocabulary.json' };
}
