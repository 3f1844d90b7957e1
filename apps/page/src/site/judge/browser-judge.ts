import type { Judgment, PostContent } from '@drf/predict';
import { PageError } from '../page-error.js';
import type { Card, Connection } from './connection.js';
import type { Judge } from './judge.js';
import type { Answer, Request } from './messages.js';

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
