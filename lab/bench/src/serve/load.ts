import { isDeepStrictEqual } from 'node:util';
import { Client, FormData, type Dispatcher } from 'undici';
import type { Judgment } from '@drf/judge';
import type { ClientPost } from './posts.js';

/** How each request ended. */
export interface Outcomes {
  /** The direct judgment, to the last bit. */
  right: number;
  /** An answer that is another judgment. */
  wrong: number;
  /** A problem in place of a judgment. */
  refused: number;
  /** No answer. */
  lost: number;
}

export interface LoadReport extends Outcomes {
  readonly clients: number;
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Milliseconds from sending to the whole answer, of all that were answered. */
  readonly milliseconds: { readonly p50: number; readonly p95: number; readonly p99: number; readonly most: number };
}

export interface LoadOptions {
  readonly address: string;
  /** Sends a request over a connection, and says how it ended; requests are numbered from 0. */
  readonly send: (connection: Dispatcher, number: number) => Promise<keyof Outcomes>;
  readonly clients: number;
  readonly requests: number;
  readonly onDone?: (done: number) => void;
}

/** Clients that each send the next request when they have their answer, until so many were sent. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const { address, send, clients, requests, onDone } = options;
  const times = new Float64Array(requests);
  const outcomes: Outcomes = { right: 0, wrong: 0, refused: 0, lost: 0 };
  let next = 0;
  let done = 0;
  const started = performance.now();
  const client = async (): Promise<void> => {
    const connection = new Client(address, { pipelining: 1 });
    while (next < requests) {
      const number = next++;
      const sentAt = performance.now();
      const outcome = await send(connection, number);
      times[number] = outcome === 'lost' ? NaN : performance.now() - sentAt;
      outcomes[outcome] += 1;
      onDone?.(++done);
    }
    await connection.close();
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1000;
  return {
    clients,
    requests,
    seconds,
    requestsPerSecond: requests / seconds,
    milliseconds: summary(times),
    ...outcomes,
  };
}

/**
 * Requests for posts in turn, every second one as a form. Every answer is compared with the direct judgment of its post.
 * @param judgments by post
 */
export function askInTurn(posts: readonly ClientPost[], judgments: readonly Judgment[]): LoadOptions['send'] {
  return (connection, number) => {
    const place = number % posts.length;
    return ask(connection, posts[place] as ClientPost, judgments[place] as Judgment, number % 2 === 1);
  };
}

/** One request, and how it ended. */
export async function ask(
  connection: Dispatcher,
  post: ClientPost,
  judgment: Judgment,
  asForm: boolean,
): Promise<keyof Outcomes> {
  try {
    const { statusCode, body } = await connection.request({
      method: 'POST',
      path: '/v1/predict',
      ...(asForm ? { body: formOf(post) } : { body: jsonOf(post), headers: { 'content-type': 'application/json' } }),
    });
    const { model, ...answer } = (await body.json()) as Judgment & { readonly model?: object };
    if (statusCode !== 200) return 'refused';
    return model !== undefined && isDeepStrictEqual(answer, judgment) ? 'right' : 'wrong';
  } catch {
    return 'lost';
  }
}

export function jsonOf({ text, image }: ClientPost): string {
  return JSON.stringify({ text, image: image?.toString('base64') ?? null });
}

function formOf({ text, image }: ClientPost): FormData {
  const form = new FormData();
  if (text !== null) form.set('text', text);
  if (image !== null) form.set('image', new Blob([new Uint8Array(image)], { type: 'image/jpeg' }), 'image.jpg');
  return form;
}

export function summary(times: Float64Array): LoadReport['milliseconds'] {
  const sorted = times.filter((time) => !Number.isNaN(time)).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) };
}
