import * as ort from 'onnxruntime-web/wasm';
import { DataError, hostTensor, refuser, UnavailableError, type HostTensor, type RgbImage } from '@drf/tensor';
import { decodeImage, LINEAR, resample, type BrowserImage } from './browser-image.js';
import { CARD_FILE, judgingModel, MODEL_FILE, parseCard, type Card, type JudgingModel } from './card.js';
import { describeCard, ExportedModel, exportedTokenizer } from './exported-model.js';
import type { JudgeInfo, Judgment } from './judgment.js';

/** A post as a page has it: an image, a text, or both. What is left out or null is missing. */
export interface BrowserPost {
  readonly image?: BrowserImage | null;
  readonly text?: string | null;
}

/** How {@link openExport} opens. */
export interface OpenExportOptions {
  /** Sent with each request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Told how much of the model has come. */
  readonly onProgress?: (bytes: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** The export's card, where it was read already. */
  readonly card?: Card;
  /**
   * Addresses of ONNX Runtime's own files, `ort-wasm-simd-threaded.mjs` and `.wasm` of onnxruntime-web. Default: beside its
   * module, where bundlers put them. They hold for all models of a page.
   */
  readonly runtime?: { readonly mjs: string; readonly wasm: string };
}

/** Judges posts in this browser, or this worker of it; nothing of a post leaves it. */
export interface BrowserJudge {
  readonly info: JudgeInfo;
  /**
   * Judges a post, alone. Calls may overlap; they take turns.
   * @throws DataError for a post of nothing, an image that is none, and a model that gives NaN or infinity
   */
  judge(post: BrowserPost): Promise<Judgment>;
  /** Frees the model. */
  close(): Promise<void>;
}

/**
 * Opens an export by its address, to judge by onnxruntime-web on WebAssembly. It computes where it is called: in a worker, a
 * page stays responsive.
 *
 * ```ts
 * const judge = await openExport('/models/exported/');
 * const { label } = await judge.judge({ text: 'What a day!', image: fileInput.files[0] });
 * ```
 * @param address of the folder
 * @throws UnavailableError where a file cannot be had; DataError for files that are damaged, of another version, or not
 *   those of the card, and for exports that read features; the signal's reason when it aborts
 */
export async function openExport(address: string | URL, options: OpenExportOptions = {}): Promise<BrowserJudge> {
  const { headers = {}, onProgress, signal, runtime } = options;
  const base = new URL(address, globalThis.location?.href);
  const folder = base.pathname.endsWith('/') ? base.href : `${base.href}/`;
  const get = (name: string, expected?: Expected): Promise<Uint8Array<ArrayBuffer>> =>
    download(`${folder}${name}`, { headers, signal: signal ?? null }, expected);
  const json = async (name: string): Promise<unknown> => parseJson(`${folder}${name}`, await get(name));
  const card = options.card ?? parseCard(`${folder}${CARD_FILE}`, await json(CARD_FILE));
  const inputs = judgingModel(`${folder}${CARD_FILE}`, card);
  const { vocabulary, bytes, sha256 } = inputs;
  const words = /[\\/]/.test(vocabulary) ? null : await json(vocabulary);
  const tokenize = exportedTokenizer(`${folder}${vocabulary}`, words, card, inputs);
  const model = await get(MODEL_FILE, { bytes, sha256, onProgress });
  ort.env.logLevel = 'error';
  if (runtime !== undefined) ort.env.wasm.wasmPaths = { ...runtime };
  ort.env.wasm.numThreads = threads();
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  signal?.throwIfAborted();
  return new WebJudge(describeCard(folder, card), session, { card, inputs, tokenize });
}

class WebJudge implements BrowserJudge {
  private readonly model: ExportedModel;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly info: JudgeInfo,
    private readonly session: ort.InferenceSession,
    parts: {
      readonly card: Card;
      readonly inputs: JudgingModel;
      readonly tokenize: (text: string) => readonly number[];
    },
  ) {
    this.model = new ExportedModel({ ...parts, run: (feeds, outputs) => this.run(feeds, outputs), toPixels });
  }

  async judge({ text = null, image = null }: BrowserPost): Promise<Judgment> {
    const some = text === null || text.trim() === '' ? null : text;
    if (some === null && image === null) {
      throw refuser(DataError, 'The post')('text or an image, or both', 'neither', 'give one of them');
    }
    const decoded = image === null ? null : await decodeImage(image, this.info.imageSize);
    return this.model.judge({ text: some, image: decoded });
  }

  async close(): Promise<void> {
    await this.turn;
    await this.session.release();
  }

  /** One after the other: the runtime takes no second call while one is under way. */
  private run(
    feeds: Readonly<Record<string, HostTensor>>,
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, HostTensor>>> {
    const mine = this.turn.then(async () => {
      const tensors = Object.entries(feeds).map(([name, { data, dtype, shape }]) => [name, new ort.Tensor(dtype, data, shape)]); // prettier-ignore
      const results = await this.session.run(Object.fromEntries(tensors) as ort.InferenceSession.FeedsType, [
        ...outputs,
      ]);
      const hosts = outputs.map((name) => {
        const { data, dims } = results[name] as ort.Tensor;
        return [name, hostTensor(data as Float32Array, dims)];
      });
      return Object.fromEntries(hosts) as Record<string, HostTensor>;
    });
    this.turn = mine.catch(() => undefined);
    return mine;
  }
}

/** From 0 to 1, [1, side, side, 3]. */
async function toPixels(image: RgbImage, side: number): Promise<HostTensor> {
  const data = Float32Array.from(resample(image, side, side, LINEAR).data, (byte) => byte / 255);
  return hostTensor(data, [1, side, side, 3]);
}

/** More than one thread needs shared memory, which only a page has that is isolated from other origins. */
function threads(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
}

interface Expected {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

/** A whole file. @throws UnavailableError when it cannot be had; DataError when it is another than expected */
async function download(address: string, request: RequestInit, expected?: Expected): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address, request).catch((cause: unknown) => {
    request.signal?.throwIfAborted();
    throw unavailable(address, cause instanceof Error ? cause.message : String(cause), cause);
  });
  if (!response.ok || response.body === null) throw unavailable(address, `status ${response.status}`);
  if (expected === undefined) return new Uint8Array(await response.arrayBuffer());
  const content = new Uint8Array(expected.bytes);
  let filled = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (filled + value.length > content.length) throw damaged(address, expected, 'more');
    content.set(value, filled);
    filled += value.length;
    expected.onProgress?.(filled, content.length);
  }
  if (filled < content.length) throw damaged(address, expected, `${filled} bytes`);
  if (!(await hasHash(content, expected.sha256))) throw damaged(address, expected, 'others');
  return content;
}

function unavailable(address: string, received: string, cause?: unknown): UnavailableError {
  const refuse = refuser(UnavailableError, address);
  return refuse('a file that can be loaded', received, 'check the address, the network and who may read it', cause);
}

function damaged(address: string, { bytes }: Expected, received: string): DataError {
  const remedy = 'reload the page, or export the run again';
  return refuser(DataError, address)(`the ${bytes} bytes that its card describes`, received, remedy);
}

function parseJson(subject: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw refuser(DataError, subject)('valid JSON', String(cause), 'restore the file, or export the run again', cause);
  }
}

/** Browsers offer hashes to pages of a secure origin only (https, or this machine); elsewhere the size must do. */
async function hasHash(content: Uint8Array<ArrayBuffer>, sha256: string): Promise<boolean> {
  if (globalThis.crypto.subtle === undefined) return true;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('') === sha256;
}
