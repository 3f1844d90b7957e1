// Judges by an exported model, in a thread of its own.
/// <reference types="vite/client" />
import type { Judgment, PostContent } from '@drf/predict';
import * as ort from 'onnxruntime-web/wasm';
import { judgingModel, MODEL_FILE, type Card, type JudgingModel } from '@drf/predict/card';
import { describeVerdict, type RawVerdict } from '@drf/predict/judgment';
import type { RgbImage } from '@drf/tensor';
import module from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import binary from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { LINEAR, resample } from '../content.js';
import { download, messageOf, PageError } from './connection.js';
import type { Answer, Request } from './judges.js';

const send = (answer: Answer): void => postMessage(answer);
let model: ExportedModel | undefined;

async function load(request: Request & { readonly kind: 'load' }): Promise<void> {
  try {
    const onProgress = (bytes: number, total: number): void => send({ kind: 'loading', bytes, total });
    model = await ExportedModel.load(request, onProgress);
    send({ kind: 'ready' });
  } catch (error) {
    send({ kind: 'failed', message: messageOf(error) });
  }
}

async function judge(id: number, content: PostContent): Promise<void> {
  try {
    if (model === undefined) throw new Error('The model is not loaded.');
    send({ kind: 'judged', id, judgment: await model.judge(content) });
  } catch (error) {
    send({ kind: 'failed', id, message: messageOf(error) });
  }
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.kind === 'load') void load(data);
  else void judge(data.id, data.content);
});

export interface ModelSource {
  readonly card: Card;
  /** Address of the exported folder, with a slash at its end. */
  readonly folder: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An export of a run (`pnpm export`), run by onnxruntime-web on WebAssembly: pixels and words to judgments. */
class ExportedModel {
  private constructor(
    private readonly card: Card,
    private readonly session: ort.InferenceSession,
    private readonly pieces: WordPieces,
    private readonly inputs: JudgingModel,
  ) {}

  /**
   * @throws PageError when files are missing or damaged, or the model takes several posts at once; DataError when it takes
   *   something else than pixels and words
   */
  static async load(
    { card, folder, headers }: ModelSource,
    onProgress: (bytes: number, total: number) => void,
  ): Promise<ExportedModel> {
    const inputs = judgingModel('The exported model, card.json,', card);
    const { batch, length, vocabulary, bytes, sha256 } = inputs;
    if (batch !== 'any' && batch !== 1) {
      throw new PageError(`The exported model takes ${batch} posts at once. Export it with --batch dynamic.`);
    }
    const words = await download(`${folder}${vocabulary}`, headers);
    const pieces = new WordPieces(JSON.parse(new TextDecoder().decode(words)) as WordPiece[], length);
    assertSamePieces(pieces, card);
    const model = await download(`${folder}${MODEL_FILE}`, headers, { bytes, sha256, onProgress });
    ort.env.logLevel = 'error';
    ort.env.wasm.wasmPaths = runtimeFiles;
    ort.env.wasm.numThreads = threads();
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    return new ExportedModel(card, session, pieces, inputs);
  }

  async judge(content: PostContent): Promise<Judgment> {
    const { labels, calibration } = this.card;
    return describeVerdict(await this.run(content), content, labels, calibration);
  }

  private async run({ image, text }: PostContent): Promise<RawVerdict> {
    const { side, length } = this.inputs;
    const ids = text === null ? [] : this.pieces.cut(text);
    const tokens = new Int32Array(length);
    tokens.set(ids);
    const available = (content: unknown): ort.Tensor => new ort.Tensor('float32', [content === null ? 0 : 1], [1]);
    const outputs = await this.session.run({
      pixels: new ort.Tensor('float32', pixelsOf(image, side), [1, side, side, 3]),
      tokens: new ort.Tensor('int32', tokens, [1, length]),
      tokenMask: new ort.Tensor('float32', new Float32Array(length).fill(1, 0, ids.length), [1, length]),
      imageAvailable: available(image),
      textAvailable: available(text),
    });
    const numbers = (name: string): Float32Array | undefined => outputs[name]?.data as Float32Array | undefined;
    const [ofImage, ofText] = [numbers('logDensityImage')?.[0], numbers('logDensityText')?.[0]];
    const known = ofImage !== undefined && ofText !== undefined && this.card.queues?.ready !== false;
    return {
      probabilities: numbers('probabilities') as Float32Array,
      logDensity: known ? { image: ofImage, text: ofText } : null,
      pairWeights: numbers('pairWeights') ?? null,
    };
  }
}

/** From 0 to 1, [side, side, 3]. */
function pixelsOf(image: RgbImage | null, side: number): Float32Array {
  if (image === null) return new Float32Array(side * side * 3);
  return Float32Array.from(resample(image, side, side, LINEAR).data, (byte) => byte / 255);
}

/** The card brings texts with their pieces: a page that cuts them otherwise would judge other words. */
function assertSamePieces(pieces: WordPieces, { preprocessing }: Card): void {
  for (const { text, tokens } of preprocessing.text.examples ?? []) {
    if (pieces.cut(text).join() === tokens.join()) continue;
    throw new PageError('The exported vocabulary does not fit its card. Export the run again.');
  }
}

/** More than one thread needs shared memory, which only a page has that is isolated from other origins. */
function threads(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
}

/** Addresses of ONNX Runtime's own files, which it loads by itself (its threads load the module again). */
const runtimeFiles = { mjs: new URL(module, import.meta.url).href, wasm: new URL(binary, import.meta.url).href };

/** A word piece with its log-likelihood; the place in the list is its id. */
export type WordPiece = readonly [piece: string, score: number];

const MAXIMUM_CHARACTERS = 4096;
/** Control and reserved symbols in front of the vocabulary. */
const RESERVED = 6;
const UNKNOWN = 0;

/** Cuts texts into the likeliest word pieces, by the recipe of the export's card (SentencePiece's unigram model). */
class WordPieces {
  private readonly ids = new Map<string, number>();
  private readonly scores: readonly number[];
  private readonly longest: number;

  constructor(
    vocabulary: readonly WordPiece[],
    private readonly length: number,
  ) {
    this.scores = vocabulary.map(([, score]) => score);
    vocabulary.forEach(([piece], id) => void (id >= RESERVED && this.ids.set(piece, id))); // of equal ones the last
    this.longest = Math.max(0, ...Array.from(this.ids.keys(), (piece) => [...piece].length));
  }

  /** Ids of a text, at most the length. */
  cut(text: string): number[] {
    const characters = charactersOf(text);
    const { size, id } = this.bestEnds(characters);
    const ids: number[] = [];
    for (let end = characters.length; end > 0; end -= size[end] as number) {
      const piece = id[end] as number;
      if (piece !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(piece); // a run of unknowns is one
    }
    return ids.reverse().slice(0, this.length);
  }

  /** For each end: size and id of the last piece of the likeliest cut. */
  private bestEnds(characters: readonly string[]): { readonly size: Int32Array; readonly id: Int32Array } {
    const best = new Float64Array(characters.length + 1);
    const size = new Int32Array(characters.length + 1).fill(1);
    const id = new Int32Array(characters.length + 1);
    const offer = (start: number, end: number, piece: number, score: number): void => {
      const total = score + (best[start] as number);
      if (best[end] !== 0 && total < (best[end] as number)) return;
      [best[end], size[end], id[end]] = [total, end - start, piece];
    };
    // every offer from a start is made once all to that start are: in rising start, rising end
    for (let start = 0; start < characters.length; start++) {
      let joined = '';
      let begins = false;
      for (let end = start + 1; end <= Math.min(characters.length, start + this.longest); end++) {
        joined += characters[end - 1] as string;
        const piece = this.ids.get(joined);
        if (piece === undefined) continue;
        begins = true;
        offer(start, end, piece, this.scores[piece] as number);
      }
      if (!begins) offer(start, start + 1, UNKNOWN, 0);
    }
    return { size, id };
  }
}

function charactersOf(text: string): string[] {
  const collapsed = text
    .slice(0, 4 * MAXIMUM_CHARACTERS)
    .replace(/\s+/gu, ' ')
    .trim();
  const normal = [...collapsed].slice(0, MAXIMUM_CHARACTERS).join('').normalize('NFKC');
  return normal === '' ? [] : [...`▁${normal.replaceAll(' ', '▁')}`];
}
