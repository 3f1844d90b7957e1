import { join, resolve } from 'node:path';
import { assertLinksStayInside, bytesHash, readBounded, readJson } from '@drf/files';
import { chooseProvider, openOnnxModel, type RunnableModel } from '@drf/onnx';
import { unitPixels } from '@drf/preprocessing';
import {
  ConfigurationError,
  DataError,
  refuser,
  type ExecutionProvider,
  type HostTensor,
  type RgbImage,
} from '@drf/tensor';
import { parseEngineName } from '@drf/terminal';
import { toPostContent } from './content.js';
import { describeCard, ExportedModel, exportedTokenizer } from './exported-model.js';
import { CARD_FILE, judgingModel, MODEL_FILE, parseCard, type Card, type JudgingModel } from './card.js';
import type { Judge, JudgeInfo, Judgment, PostInput } from './judgment.js';
import type { OpenOptions } from './open-options.js';

const LARGEST_CARD = 16 * 1024 * 1024;
const LARGEST_MODEL = 2 ** 31 - 1; // protobuf allows no more
const LARGEST_VOCABULARY = 64 * 1024 * 1024;
const RESTORE = 'restore the folder, or export the run again';

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
  return describeCard(resolve(folder), card);
}

/**
 * Judges by a folder that `pnpm export` wrote: its `model.onnx` from pixels and word pieces on, its word pieces, and the
 * calibration in its card. Neither run nor checkpoint are needed. Judgments are those of the run up to rounding.
 */
export class ExportJudge implements Judge {
  private constructor(
    readonly info: JudgeInfo,
    private readonly exported: ExportedModel,
    private readonly model: RunnableModel,
  ) {}

  /**
   * @throws DataError for a folder without a card, one that is damaged or of another version, and for exports that
   *   read features; ConfigurationError for a checkpoint or an eager engine, which an export does not leave open;
   *   UnavailableError for an engine "compiled:…" that does not work here
   */
  static async open(path: string, { engine = 'auto', checkpoint, threads }: OpenOptions = {}): Promise<ExportJudge> {
    const choice = parseEngineName(engine);
    if (checkpoint !== undefined || choice.kind === 'eager') {
      throw refuser(ConfigurationError, `Export ${path}`)(
        'neither a checkpoint nor an eager engine: it holds one model, for ONNX Runtime',
        checkpoint === undefined ? `engine ${engine}` : `checkpoint ${checkpoint}`,
        'leave it out, or judge by the run',
      );
    }
    const folder = resolve(path);
    await assertLinksStayInside(folder);
    const card = await readCard(folder);
    const inputs = judgingModel(join(folder, CARD_FILE), card);
    const bytes = await readModel(folder, inputs);
    const tokenize = exportedTokenizer(...(await readVocabulary(folder, inputs.vocabulary)), card, inputs);
    const provider = choice.kind === 'auto' ? (await chooseProvider()).provider : choice.provider;
    const model = await openOnnxModel(join(folder, MODEL_FILE), bytes, { threads, provider });
    const parts = { card, inputs, tokenize, run: model.run, toPixels };
    const info = { ...describeExport(folder, card), engine: engineOf(provider) };
    return new ExportJudge(info, new ExportedModel(parts), model);
  }

  async judge(given: PostInput): Promise<Judgment> {
    return this.exported.judge(await toPostContent(given, this.info));
  }

  async close(): Promise<void> {
    await this.model.dispose();
  }
}

/** What an export computes with: ONNX Runtime, on an accelerator where it is one. */
function engineOf(provider: ExecutionProvider): string {
  return provider === 'cpu' ? 'onnx' : `onnx:${provider}`;
}

const toPixels = (image: RgbImage, side: number): Promise<HostTensor> => unitPixels([image], side);

/** @throws DataError unless the file is the one that the card describes */
async function readModel(folder: string, { sha256, bytes: size }: JudgingModel): Promise<Uint8Array> {
  const path = join(folder, MODEL_FILE);
  const bytes = await readBounded(path, LARGEST_MODEL);
  if (bytesHash(bytes) === sha256) return bytes;
  const received = bytes.byteLength === size ? 'others' : `${bytes.byteLength} bytes`;
  throw refuser(DataError, path)(`the ${size} bytes that ${CARD_FILE} describes`, received, RESTORE);
}

/** Where the word pieces are, and what is there. @throws DataError for a name that leads out of the folder */
async function readVocabulary(folder: string, name: string): Promise<[path: string, value: unknown]> {
  const path = join(folder, name);
  return [path, /[\\/]/.test(name) ? null : await readJson(path, LARGEST_VOCABULARY)];
}
