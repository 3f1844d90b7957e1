// Judges by an exported model, in a thread of its own.
/// <reference types="vite/client" />
import type { Judgment, PostContent } from '@drf/judge';
import * as ort from 'onnxruntime-web/wasm';
import { createTokenizer, type Tokenize, type Vocabulary } from '@drf/preprocessing/text';
import { judgingModel, MODEL_FILE, type Card, type JudgingModel } from '@drf/judge/card';
import { describeVerdict, type RawVerdict } from '@drf/judge/judgment';
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

/** An export of a run (`drf export`), run by onnxruntime-web on WebAssembly: pixels and words to judgments. */
class ExportedModel {
  private constructor(
    private readonly card: Card,
    private readonly session: ort.InferenceSession,
    private readonly tokenize: Tokenize,
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
    const tokenize = createTokenizer(JSON.parse(new TextDecoder().decode(words)) as Vocabulary);
    assertSamePieces((text) => tokenize(text).slice(0, length), card);
    const model = await download(`${folder}${MODEL_FILE}`, headers, { bytes, sha256, onProgress });
    ort.env.logLevel = 'error';
    ort.env.wasm.wasmPaths = runtimeFiles;
    ort.env.wasm.numThreads = threads();
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    return new ExportedModel(card, session, tokenize, inputs);
  }

  async judge(content: PostContent): Promise<Judgment> {
    const { labels, calibration } = this.card;
    return describeVerdict(await this.run(content), content, labels, calibration);
  }

  private async run({ image, text }: PostContent): Promise<RawVerdict> {
    const { side, length } = this.inputs;
    const ids = text === null ? [] : this.tokenize(text).slice(0, length);
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
function assertSamePieces(tokenize: Tokenize, { preprocessing }: Card): void {
  for (const { text, tokens } of preprocessing.text.examples ?? []) {
    if (tokenize(text).join() === tokens.join()) continue;
    throw new PageError('The exported vocabulary does not fit its card. Export the run again.');
  }
}

/** More than one thread needs shared memory, which only a page has that is isolated from other origins. */
function threads(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
}

/** Addresses of ONNX Runtime's own files, which it loads by itself (its threads load the module again). */
const runtimeFiles = { mjs: new URL(module, import.meta.url).href, wasm: new URL(binary, import.meta.url).href };
