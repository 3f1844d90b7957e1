import * as ort from 'onnxruntime-web/wasm';
import type { Judgment, PostContent } from '@drf/predict';
import { describeVerdict, type RawVerdict } from '@drf/predict/describe';
import type { RgbImage } from '@drf/tensor';
import { LINEAR, resample } from '../content/resample.js';
import { PageError } from '../page-error.js';
import type { Card } from './connection.js';
import { download } from './download.js';
import { runtimeFiles } from './runtime.js';
import { WordPieces, type WordPiece } from './word-pieces.js';

const FILE = 'model.onnx';
const INPUTS = ['imageAvailable', 'pixels', 'textAvailable', 'tokenMask', 'tokens'];

export interface ModelSource {
  readonly card: Card;
  /** Address of the exported folder, with a slash at its end. */
  readonly folder: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An export of a run (`pnpm export`), run by onnxruntime-web on WebAssembly: pixels and words to judgments. */
export class ExportedModel {
  private constructor(
    private readonly card: Card,
    private readonly session: ort.InferenceSession,
    private readonly pieces: WordPieces,
    /** Side of the pixels that the model takes. */
    private readonly side: number,
    /** Word pieces that it takes. */
    private readonly length: number,
  ) {}

  /** @throws PageError when files are missing or damaged, or the model takes something else than pixels and words */
  static async load(
    { card, folder, headers }: ModelSource,
    onProgress: (bytes: number, total: number) => void,
  ): Promise<ExportedModel> {
    // prettier-ignore
    const { side, length, vocabulary, bytes, sha256 } = wanted(card);
    const words = await download(`${folder}${vocabulary}`, headers);
    const pieces = new WordPieces(JSON.parse(new TextDecoder().decode(words)) as WordPiece[], length);
    assertSamePieces(pieces, card);
    const model = await download(`${folder}${FILE}`, headers, { bytes, sha256, onProgress });
    ort.env.logLevel = 'error';
    ort.env.wasm.wasmPaths = runtimeFiles;
    ort.env.wasm.numThreads = threads();
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    return new ExportedModel(card, session, pieces, side, length);
  }

  async judge(content: PostContent): Promise<Judgment> {
    const { labels, calibration } = this.card;
    return describeVerdict(await this.run(content), content, labels, calibration);
  }

  private async run({ image, text }: PostContent): Promise<RawVerdict> {
    const ids = text === null ? [] : this.pieces.cut(text);
    const tokens = new Int32Array(this.length);
    tokens.set(ids);
    const available = (content: unknown): ort.Tensor => new ort.Tensor('float32', [content === null ? 0 : 1], [1]);
    const outputs = await this.session.run({
      pixels: new ort.Tensor('float32', this.pixels(image), [1, this.side, this.side, 3]),
      tokens: new ort.Tensor('int32', tokens, [1, this.length]),
      tokenMask: new ort.Tensor('float32', new Float32Array(this.length).fill(1, 0, ids.length), [1, this.length]),
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

  /** From 0 to 1, [side, side, 3]. */
  private pixels(image: RgbImage | null): Float32Array {
    if (image === null) return new Float32Array(this.side * this.side * 3);
    return Float32Array.from(resample(image, this.side, this.side, LINEAR).data, (byte) => byte / 255);
  }
}

/** What the page needs of the card. @throws PageError when the export lacks it */
function wanted({ files, preprocessing: { image, text } }: Card) {
  const file = files[FILE];
  const names = file?.inputs.map(({ name }) => name).sort() ?? [];
  if (file === undefined || names.join() !== INPUTS.join() || image.size === undefined || text.length === undefined) {
    throw new PageError(
      'The exported model does not take pixels and words. Export a run with the embedded encoders, without --head-only.',
    );
  }
  if (file.batch !== 'any' && file.batch !== 1) {
    throw new PageError(`The exported model takes ${file.batch} posts at once. Export it with --batch dynamic.`);
  }
  const { bytes, sha256 } = file;
  return { bytes, sha256, side: image.size[0], length: text.length, vocabulary: text.vocabulary ?? 'vocabulary.json' };
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
