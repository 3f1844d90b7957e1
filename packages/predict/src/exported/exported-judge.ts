import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { createTokenizer, padTokens, unitPixels, type Tokenize, type Vocabulary } from '@drf/encoders';
import { openOnnxModel, type NamedHostTensors, type OnnxModel } from '@drf/engine';
import type { Calibration } from '@drf/experiment';
import { assertLinksStayInside, readBounded, readJson } from '@drf/files';
import { ConfigurationError, DataError, hostTensor, type HostTensor, type RgbImage } from '@drf/tensor';
import { describeVerdict } from '../describe.js';
import type { JudgeOfPosts } from '../judge-of-posts.js';
import type { Judgment, PostContent } from '../judgment.js';
import type { PostJudgeOptions } from '../post-judge.js';
import { bothMissing } from '../both-missing.js';
import { CARD_FILE, readJudgingCard, type Card, type CardFile } from './card.js';

const MODEL_FILE = 'model.onnx';
const LARGEST_MODEL = 2 ** 31 - 1; // protobuf allows no more
const LARGEST_VOCABULARY = 64 * 1024 * 1024;

/** Outputs that a judgment is made of, where the model has them. */
const WANTED = ['probabilities', 'pairWeights', 'logDensityImage', 'logDensityText'];

/**
 * Judges by a folder that `pnpm export` wrote: its `model.onnx` from pixels and word pieces on, its word pieces, and the
 * calibration in its card. Neither run nor checkpoint are needed. Judgments are those of the run up to rounding.
 */
export class ExportedJudge implements JudgeOfPosts {
  readonly engine = 'onnx';
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly folder: string,
    private readonly card: Card & { readonly model: CardFile },
    private readonly model: OnnxModel,
    private readonly tokenize: Tokenize,
    readonly calibration: Calibration | null,
  ) {}

  /**
   * @throws DataError for a folder without a card, one that is damaged or of another version, and for exports that
   *   read features; ConfigurationError for a checkpoint or an engine, which an export does not leave open
   */
  static async open(path: string, { engine = 'auto', checkpoint }: PostJudgeOptions = {}): Promise<ExportedJudge> {
    if (checkpoint !== undefined || !['auto', 'compiled'].includes(engine)) throw fixed(path, checkpoint, engine);
    const folder = resolve(path);
    await assertLinksStayInside(folder);
    const card = await readJudgingCard(folder);
    const bytes = await readModel(folder, card.model);
    const vocabulary = await readVocabulary(folder, card.preprocessing.text.vocabulary ?? 'vocabulary.json');
    const tokenize = createTokenizer(vocabulary);
    const model = await openOnnxModel(join(folder, MODEL_FILE), bytes);
    return new ExportedJudge(folder, card, model, tokenize, card.calibration);
  }

  get classes(): readonly string[] {
    return this.card.labels;
  }

  get source(): JudgeOfPosts['source'] {
    return { run: this.folder, checkpoint: this.card.run.checkpoint, sha256: this.card.model.sha256 };
  }

  get imageSize(): number {
    return this.card.preprocessing.image.decodedSize;
  }

  judge(post: PostContent): Promise<Judgment> {
    const text = post.text === null || post.text.trim() === '' ? null : post.text;
    if (post.image === null && text === null) return Promise.reject(bothMissing());
    const mine = this.turn.then(() => this.compute({ image: post.image, text }));
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** Frees what it holds; it cannot be used afterwards. */
  async dispose(): Promise<void> {
    await this.turn;
    await this.model.dispose();
  }

  /** Side of the image that the model reads. */
  private get side(): number {
    return this.shapeOf('pixels')[1] as number;
  }

  private shapeOf(input: string): readonly (number | string)[] {
    return this.card.model.inputs.find(({ name }) => name === input)?.shape ?? [];
  }

  private async compute(post: PostContent): Promise<Judgment> {
    const outputs = this.card.model.outputs.map(({ name }) => name).filter((name) => WANTED.includes(name));
    const results = await this.model.run(await this.inputs(post), outputs);
    const one = (name: string): number => results[name]?.data[0] as number;
    const knowsDensity = outputs.includes('logDensityImage') && this.card.queues?.ready !== false;
    return describeVerdict(
      {
        probabilities: firstRow(results['probabilities'] as HostTensor),
        logDensity: knowsDensity ? { image: one('logDensityImage'), text: one('logDensityText') } : null,
        pairWeights: results['pairWeights'] === undefined ? null : firstRow(results['pairWeights']),
      },
      post,
      this.classes,
      this.calibration,
    );
  }

  /** The post as the first row; a model of a fixed batch gets rows of nothing behind it. */
  private async inputs({ image, text }: PostContent): Promise<NamedHostTensors> {
    const { batch } = this.card.model;
    const rows = batch === 'any' ? 1 : batch;
    const length = this.shapeOf('tokens')[1] as number;
    const pieces = text === null ? [] : this.tokenize(text).slice(0, length);
    const { tokens, mask } = padTokens([pieces], length);
    const available = (isThere: boolean): HostTensor => filledUp(hostTensor([isThere ? 1 : 0], [1]), rows);
    return {
      pixels: filledUp(await unitPixels([image ?? NOTHING], this.side), rows),
      tokens: filledUp(tokens, rows),
      tokenMask: filledUp(mask, rows),
      imageAvailable: available(image !== null),
      textAvailable: available(text !== null),
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
async function readModel(folder: string, { sha256, bytes: size }: CardFile): Promise<Uint8Array> {
  const path = join(folder, MODEL_FILE);
  const bytes = await readBounded(path, LARGEST_MODEL);
  if (createHash('sha256').update(bytes).digest('hex') === sha256) return bytes;
  throw new DataError({
    subject: path,
    expected: `the ${size} bytes that ${CARD_FILE} describes`,
    received: bytes.byteLength === size ? 'others' : `${bytes.byteLength} bytes`,
    remedy: 'restore the folder, or export the run again',
  });
}

/** @throws DataError unless the file is a list of pieces and their scores */
async function readVocabulary(folder: string, name: string): Promise<Vocabulary> {
  const path = join(folder, name);
  if (/[\\/]/.test(name)) throw notAVocabulary(path);
  const pieces = (await readJson(path, LARGEST_VOCABULARY)) as Vocabulary;
  const isPiece = (each: unknown): boolean =>
    Array.isArray(each) && typeof each[0] === 'string' && typeof each[1] === 'number';
  if (Array.isArray(pieces) && pieces.length > 0 && pieces.every(isPiece)) return pieces;
  throw notAVocabulary(path);
}

function notAVocabulary(path: string): DataError {
  return new DataError({
    subject: path,
    expected: 'a list of word pieces, [piece, score]',
    received: 'something else',
    remedy: 'restore the folder, or export the run again',
  });
}

function fixed(path: string, checkpoint: string | undefined, engine: string): ConfigurationError {
  return new ConfigurationError({
    subject: `Export ${path}`,
    expected: 'neither a checkpoint nor an engine: it holds one model, for ONNX Runtime',
    received: checkpoint === undefined ? `engine ${engine}` : `checkpoint ${checkpoint}`,
    remedy: 'leave it out, or judge by the run',
  });
}
