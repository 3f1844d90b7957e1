import { createTokenizer, padTokens, type Tokenize, type Vocabulary } from '@drf/preprocessing/text';
import { DataError, hostTensor, refuser, type HostTensor, type RgbImage } from '@drf/tensor';
import { describeCalibration } from './calibration.js';
import { MODEL_FILE, type Card, type JudgingModel } from './card.js';
import { describeVerdict, type JudgeInfo, type Judgment, type PostContent } from './judgment.js';

/** Tensors by the names that they have in the model's file. */
type NamedTensors = Readonly<Record<string, HostTensor>>;

/** What an export is made of, wherever it is run. */
export interface ExportedParts {
  readonly card: Card;
  readonly inputs: JudgingModel;
  readonly tokenize: Tokenize;
  /** Runs the model's file. @param outputs names of those wanted */
  readonly run: (inputs: NamedTensors, outputs: readonly string[]) => Promise<NamedTensors>;
  /** An image as float32 [1, side, side, 3] in 0 … 1. */
  readonly toPixels: (image: RgbImage, side: number) => Promise<HostTensor>;
}

/** Outputs that a judgment is made of, where the model has them. */
const WANTED = ['probabilities', 'pairWeights', 'logDensityImage', 'logDensityText', 'intactImage', 'intactText'];

/** Judges by an export's model, from pixels and word pieces on: in Node and in browsers alike. */
export class ExportedModel {
  constructor(private readonly parts: ExportedParts) {}

  /** @throws DataError where the model gives NaN or infinity */
  async judge(post: PostContent): Promise<Judgment> {
    const { card, inputs } = this.parts;
    const outputs = inputs.outputs.map(({ name }) => name).filter((name) => WANTED.includes(name));
    const results = await this.parts.run(await this.read(post), outputs);
    const one = (name: string): number => results[name]?.data[0] as number;
    const ifThere = (name: string): number | null => (outputs.includes(name) ? one(name) : null);
    const knowsDensity = outputs.includes('logDensityImage') && card.queues?.ready !== false;
    return describeVerdict(
      {
        probabilities: firstRow(results['probabilities'] as HostTensor),
        logDensity: knowsDensity ? { image: one('logDensityImage'), text: one('logDensityText') } : null,
        intact: { image: ifThere('intactImage'), text: ifThere('intactText') },
        pairWeights: results['pairWeights'] === undefined ? null : firstRow(results['pairWeights']),
      },
      post,
      card.labels,
      card.calibration,
    );
  }

  /** The post as the first row; a model of a fixed batch gets rows of nothing behind it. */
  private async read({ image, text }: PostContent): Promise<NamedTensors> {
    const { inputs, tokenize, toPixels } = this.parts;
    const { batch, length, side } = inputs;
    const rows = batch === 'any' ? 1 : batch;
    const pieces = text === null ? [] : tokenize(text).slice(0, length);
    const { tokens, mask } = padTokens([pieces], length);
    const available = (content: unknown): HostTensor => filledUp(hostTensor([content === null ? 0 : 1], [1]), rows);
    const nothing = (): HostTensor => hostTensor(new Float32Array(side * side * 3), [1, side, side, 3]);
    return {
      pixels: filledUp(image === null ? nothing() : await toPixels(image, side), rows),
      tokens: filledUp(tokens, rows),
      tokenMask: filledUp(mask, rows),
      imageAvailable: available(image),
      textAvailable: available(text),
    };
  }
}

/** A row with rows of zeros behind it. */
function filledUp({ data, dtype, shape }: HostTensor, rows: number): HostTensor {
  const all = dtype === 'int32' ? new Int32Array(rows * data.length) : new Float32Array(rows * data.length);
  all.set(data);
  return hostTensor(all, [rows, ...shape.slice(1)]);
}

function firstRow({ data, shape }: HostTensor): ArrayLike<number> {
  return data.subarray(0, shape[1]);
}

/** What an export says of itself. @param folder its path or address */
export function describeCard(folder: string, card: Card): JudgeInfo {
  const { labels, method, encoders, run, files, preprocessing, calibration } = card;
  const sha256 = files[MODEL_FILE]?.sha256 ?? '';
  return {
    name: run.id,
    sources: [{ kind: 'export', folder, checkpoint: run.checkpoint, sha256 }],
    classes: labels,
    method,
    encoders,
    imageSize: preprocessing.image.decodedSize,
    maskToken: preprocessing.text.maskToken ?? null,
    engine: 'onnx',
    calibration,
    notes: describeCalibration(calibration),
  };
}

/**
 * The tokenizer of an export's word pieces. The card brings texts with their pieces: a program that cuts them otherwise
 * would judge other words.
 * @param subject where they were read
 * @throws DataError unless it is a list of pieces and their scores, and the one that the card goes with
 */
export function exportedTokenizer(
  subject: string,
  value: unknown,
  { preprocessing }: Card,
  { length }: JudgingModel,
): Tokenize {
  const refuse = refuser(DataError, subject);
  const remedy = 'restore the folder, or export the run again';
  if (!isVocabulary(value)) throw refuse('a list of word pieces, [piece, score]', 'something else', remedy);
  const tokenize = createTokenizer(value);
  for (const { text, tokens } of preprocessing.text.examples ?? []) {
    if (tokenize(text).slice(0, length).join() === tokens.join()) continue;
    throw refuse('the word pieces that the card goes with', 'others', remedy);
  }
  return tokenize;
}

function isVocabulary(value: unknown): value is Vocabulary {
  const isPiece = (each: unknown): boolean =>
    Array.isArray(each) && typeof each[0] === 'string' && typeof each[1] === 'number';
  return Array.isArray(value) && value.length > 0 && value.every(isPiece);
}
