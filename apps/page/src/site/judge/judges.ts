import type { Judgment, PostContent } from '@drf/judge';
import type { Card } from '@drf/judge/card';
import type { RgbImage } from '@drf/tensor';
import { drawImage } from '../content.js';
import { isAbort, PageError, type Connection } from './connection.js';

/** Whoever judges for the page: the service, or the browser itself. */
export interface Judge {
  /** @throws PageError when it cannot; the signal's reason when aborted */
  judge(content: PostContent, signal: AbortSignal): Promise<Judgment>;
}

/** What the page asks of the worker. */
export type Request =
  | { readonly kind: 'load'; readonly card: Card; readonly folder: string; readonly headers: Readonly<Record<string, string>> } // prettier-ignore
  | { readonly kind: 'judge'; readonly id: number; readonly content: PostContent };

/** What the worker says. */
export type Answer =
  | { readonly kind: 'loading'; readonly bytes: number; readonly total: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'judged'; readonly id: number; readonly judgment: Judgment }
  /** Without id: loading failed. */
  | { readonly kind: 'failed'; readonly id?: number; readonly message: string };

/** Judges by asking the service. */
export class ServiceJudge implements Judge {
  private readonly canvas = document.createElement('canvas');

  constructor(private readonly connection: Connection) {}

  async judge({ image, text }: PostContent, signal: AbortSignal): Promise<Judgment> {
    const body = JSON.stringify({
      ...(text === null ? {} : { text }),
      ...(image === null ? {} : { image: this.png(image) }),
    });
    const headers = { ...this.connection.headers, 'content-type': 'application/json' };
    const response = await fetch('v1/predict', { method: 'POST', headers, body, signal }).catch((error: unknown) => {
      if (isAbort(error)) throw error;
      throw new PageError('The service cannot be reached. Is it still running?');
    });
    if (response.ok) return (await response.json()) as Judgment;
    const { detail } = (await response.json().catch(() => ({}))) as { readonly detail?: string };
    throw new PageError(detail ?? `The service answered with status ${response.status}.`);
  }

  /** At the size of the model, so that the service reads the very pixels that the page shows; as a data URL. */
  private png(image: RgbImage): string {
    drawImage(this.canvas, image);
    return this.canvas.toDataURL('image/png');
  }
}

interface Waiting {
  readonly resolve: (judgment: Judgment) => void;
  readonly reject: (error: Error) => void;
}

/** Judges in this browser: a worker runs the exported model by onnxruntime-web. */
export class BrowserJudge implements Judge {
  private readonly waiting = new Map<number, Waiting>();
  private turn: Promise<unknown> = Promise.resolve();
  private count = 0;

  private constructor(private readonly worker: Worker) {}

  /**
   * Loads the model.
   * @param onProgress told how much of it has come
   * @throws PageError when it cannot be had or is not one that takes pixels and words
   */
  static async load(
    connection: Connection,
    card: Card,
    onProgress: (bytes: number, total: number) => void,
  ): Promise<BrowserJudge> {
    // prettier-ignore
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    const judge = new BrowserJudge(worker);
    await new Promise<void>((resolve, reject) => {
      worker.onerror = () => reject(new PageError('The part of this page that runs the model did not start.'));
      worker.onmessage = ({ data }: MessageEvent<Answer>) => {
        if (data.kind === 'loading') onProgress(data.bytes, data.total);
        else if (data.kind === 'ready') resolve();
        else if (data.kind === 'failed' && data.id === undefined) reject(new PageError(data.message));
        else judge.settle(data);
      };
      const folder = new URL('model/', document.baseURI).href;
      judge.send({ kind: 'load', card, folder, headers: connection.headers });
    });
    return judge;
  }

  judge(content: PostContent, signal: AbortSignal): Promise<Judgment> {
    const mine = this.turn.then(() => {
      signal.throwIfAborted(); // newer work came while this waited
      return this.ask(content);
    });
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private ask(content: PostContent): Promise<Judgment> {
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ kind: 'judge', id, content });
    });
  }

  private settle(answer: Answer): void {
    if (answer.kind !== 'judged' && answer.kind !== 'failed') return;
    const waiting = this.waiting.get(answer.id as number);
    this.waiting.delete(answer.id as number);
    if (answer.kind === 'judged') waiting?.resolve(answer.judgment);
    else waiting?.reject(new PageError(answer.message));
  }

  private send(request: Request): void {
    this.worker.postMessage(request);
  }
}
