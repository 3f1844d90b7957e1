import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { unitPixels } from '@drf/preprocessing';
import { createTokenizer, padTokens, type Tokenize, type Vocabulary } from '@drf/preprocessing/text';
import { openOnnxModel, type NamedHostTensors, type OnnxModel } from '@drf/onnx';
import { describeCalibration } from './calibration.js';
import { toPostContent } from './content.js';
import { assertLinksStayInside, readBounded, readJson } from '@drf/files';
import { ConfigurationError, DataError, hostTensor, refuser, type HostTensor, type RgbImage } from '@drf/tensor';
import { CARD_FILE, judgingModel, MODEL_FILE, parseCard, type Card, type JudgingModel } from './card.js';
import { describeVerdict, type Judge, type JudgeInfo, type Judgment, type PostContent, type PostInput } from './judgment.js'; // prettier-ignore
import type { OpenOptions } from './open-options.js';

const LARGEST_CARD = 16 * 1024 * 1024;
const LARGEST_MODEL = 2 ** 31 - 1; // protobuf allows no more
const LARGEST_VOCABULARY = 64 * 1024 * 1024;
const RESTORE = 'restore the folder, or export the run again';

/** Outputs that a judgment is made of, where the model has them. */
const WANTED = ['probabilities', 'pairWeights', 'logDensityImage', 'logDensityText'];

/**
 * Reads the card of a folder that `pnpm export` wrote.
 * @throws DataError for no card, a damaged one, or one of another format
 */
export async function readCard(folder: string): Promise<Card> {
  const path = join(folder, CARD_FILE);
  return parseCard(path, await readJson(path, LARGEST_CARD));
}

/** What an export says of itself, also one that only a browser judges with. */
export function describeExport(folder: string, card: Card): JudgeInfo {
  const { labels, method, encoders, run, files, preprocessing, calibration } = card;
  const sha256 = files[MODEL_FILE]?.sha256 ?? '';
  return {
    name: run.id,
    sources: [{ kind: 'export', folder: resolve(folder), checkpoint: run.checkpoint, sha256 }],
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
 * Judges by a folder that `pnpm export` wrote: its `model.onnx` from pixels and word pieces on, its word pieces, and the
 * calibration in its card. Neither run nor checkpoint are needed. Judgments are those of the run up to rounding.
 */
export class ExportJudge implements Judge {
  private constructor(
    readonly info: JudgeInfo,
    private readonly card: Card,
    private readonly inputs: JudgingModel,
    private readonly model: OnnxModel,
    private readonly tokenize: Tokenize,
  ) {}

  /**
   * @throws DataError for a folder without a card, one that is damaged or of another version, and for exports that
   *   read features; ConfigurationError for a checkpoint or an engine, which an export does not leave open
   */
  static async open(path: string, { engine = 'auto', checkpoint }: OpenOptions = {}): Promise<ExportJudge> {
    if (checkpoint !== undefined || !['auto', 'compiled'].includes(engine)) {
      throw refuser(ConfigurationError, `Export ${path}`)(
        'neither a checkpoint nor an engine: it holds one model, for ONNX Runtime',
        checkpoint === undefined ? `engine ${engine}` : `checkpoint ${checkpoint}`,
        'leave it out, or judge by the run',
      );
    }
    const folder = resolve(path);
    await assertLinksStayInside(folder);
    const card = await readCard(folder);
    const inputs = judgingModel(join(folder, CARD_FILE), card);
    const bytes = await readModel(folder, inputs);
    const tokenize = createTokenizer(await readVocabulary(folder, inputs.vocabulary));
    const model = await openOnnxModel(join(folder, MODEL_FILE), bytes);
    return new ExportJudge(describeExport(folder, card), card, inputs, model, tokenize);
  }

  async judge(given: PostInput): Promise<Judgment> {
    const post = await toPostContent(given, this.info);
    const outputs = this.inputs.outputs.map(({ name }) => name).filter((name) => WANTED.includes(name));
    const results = await this.model.run(await this.read(post), outputs);
    const one = (name: string): number => results[name]?.data[0] as number;
    const knowsDensity = outputs.includes('logDensityImage') && this.card.queues?.ready !== false;
    return describeVerdict(
      {
        probabilities: firstRow(results['probabilities'] as HostTensor),
        logDensity: knowsDensity ? { image: one('logDensityImage'), text: one('logDensityText') } : null,
        pairWeights: results['pairWeights'] === undefined ? null : firstRow(results['pairWeights']),
      },
      post,
      this.info.classes,
      this.info.calibration,
    );
  }

  async close(): Promise<void> {
    await this.model.dispose();
  }

  /** The post as the first row; a model of a fixed batch gets rows of nothing behind it. */
  private async read({ image, text }: PostContent): Promise<NamedHostTensors> {
    const { batch, length, side } = this.inputs;
    const rows = batch === 'any' ? 1 : batch;
    const pieces = text === null ? [] : this.tokenize(text).slice(0, length);
    const { tokens, mask } = padTokens([pieces], length);
    const available = (content: unknown): HostTensor => filledUp(hostTensor([content === null ? 0 : 1], [1]), rows);
    return {
      pixels: filledUp(await unitPixels([image ?? NOTHING], side), rows),
      tokens: filledUp(tokens, rows),
      tokenMask: filledUp(mask, rows),
      imageAvailable: available(image),
      textAvailable: available(text),
    };
  }
}

const NOTHING: RgbImage = { width: 1, height: 1, data: new Uint8Array(3) };

/** A row with rows of zeros behind it. */
function filledUp({ data, dtype, shape }: HostTensor, rows: number): HostTensor {
  const all = dtype === 'int32' ? new Int32Array(rows * data.length) : new Float32Array(rows * data.length);
  all.set(data);
  return hostTensor(all, [rows, ...shape.slice(1)]);
}

function firstRow({ data, shape }: HostTensor): ArrayLike<number> {
  return data.subarray(0, shape[1]);
}

/** @throws DataError unless the file is the one that the card describes */
async function readModel(folder: string, { sha256, bytes: size }: JudgingModel): Promise<Uint8Array> {
  const path = join(folder, MODEL_FILE);
  const bytes = await readBounded(path, LARGEST_MODEL);
  if (createHash('sha256').update(bytes).digest('hex') === sha256) return bytes;
  const received = bytes.byteLength === size ? 'others' : `${bytes.byteLength} bytes`;
  throw refuser(DataError, path)(`the ${size} bytes that ${CARD_FILE} describes`, received, RESTORE);
}

/** @throws DataError unless the file is a list of pieces and their scores */
async function readVocabulary(folder: string, name: string): Promise<Vocabulary> {
  const path = join(folder, name);
  const refuse = refuser(DataError, path);
  const isPiece = (each: unknown): boolean =>
    Array.isArray(each) && typeof each[0] === 'string' && typeof each[1] === 'number';
  if (!/[\\/]/.test(name)) {
    const pieces = (await readJson(path, LARGEST_VOCABULARY)) as Vocabulary;
    if (Array.isArray(pieces) && pieces.length > 0 && pieces.every(isPiece)) return pieces;
  }
  throw refuse('a list of word pieces, [piece, score]', 'something else', RESTORE);
}
