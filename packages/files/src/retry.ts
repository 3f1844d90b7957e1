import { randomInt } from 'node:crypto'; // what is random here is when, never what
import { setTimeout as wait } from 'node:timers/promises';
import pRetry from 'p-retry';

/** How often a request is made again, and when. Times in milliseconds. */
export interface RetryOptions {
  /** Attempts that may fail in a row without getting on; default 4. */
  readonly attempts?: number;
  /** Before the second attempt; twice as long before the next, and so on, up to 30 s. Default 500. */
  readonly delayMs?: number;
  /** Longest wait that a server may ask for by `Retry-After`; one that asks for longer is not asked again. Default 120,000. */
  readonly longestWaitMs?: number;
  readonly signal?: AbortSignal;
  /** Whether the attempt that failed got on (by some bytes): it is not counted then. */
  readonly gotOn?: () => boolean | Promise<boolean>;
}

const LONGEST_DELAY_MS = 30_000;
const LONGEST_WAIT_MS = 120_000;
/** Busy or out of order for now. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** An answer that says that the server will not do what it is asked. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly status: number;
  /** Milliseconds after which the server wants to be asked again. */
  readonly retryAfterMs?: number;

  constructor(readonly response: Response) {
    const wish = retryAfter(response.headers.get('retry-after'));
    const later = wish === undefined ? '' : `, to be asked again in ${Math.ceil(wish / 1000)} s`;
    super(`HTTP status ${response.status}${later}`);
    this.status = response.status;
    if (wish !== undefined) this.retryAfterMs = wish;
  }

  /** Whether the same request may do better later. */
  get isPassing(): boolean {
    return PASSING.has(this.status);
  }
}

/** Milliseconds from now that a `Retry-After` header means: seconds or a date (RFC 9110, 10.2.3); undefined if neither. */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = /^[A-Za-z]/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * Makes a request until it succeeds: with growing delays that differ between callers by up to twice, so that those who
 * failed together do not come back together, and not before the time that a server names by `Retry-After`.
 * @param attempt throws {@link RefusedError} for an answer that is none, and anything else for a connection that broke
 * @param isFinal whether another attempt would be no use, whatever this function knows of the error
 * @throws what the last attempt threw: refusals that do not pass at once, and such that ask for more patience than there
 * is; the signal's reason when it is aborted
 */
export async function retryRequest<T>(
  attempt: () => Promise<T>,
  options: RetryOptions = {},
  isFinal: (error: Error) => boolean = () => false,
): Promise<T> {
  const { attempts = 4, delayMs = 500, longestWaitMs = LONGEST_WAIT_MS, signal, gotOn } = options;
  const wishOf = (error: Error): number => (error instanceof RefusedError ? (error.retryAfterMs ?? 0) : 0);
  const mayPass = (error: Error): boolean =>
    !isFinal(error) && !(error instanceof RefusedError && !error.isPassing) && wishOf(error) <= longestWaitMs;
  const once = async (): Promise<T> => {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      throw new FailedAttempt(error instanceof Error ? error : new Error(String(error)));
    }
  };
  let failed = 0; // in a row, without getting on
  return pRetry(once, {
    retries: Infinity, // `failed` counts
    minTimeout: 0,
    ...(signal === undefined ? {} : { signal }),
    onFailedAttempt: async ({ error }) => {
      if (!(error instanceof FailedAttempt)) throw error;
      const { reason } = error;
      failed = (await gotOn?.()) === true ? 1 : failed + 1;
      if (!mayPass(reason) || failed >= attempts) throw reason;
      const delay = Math.min(LONGEST_DELAY_MS, delayMs * 2 ** (failed - 1)) * (1 + randomInt(1000) / 1000);
      await wait(wishOf(reason) + delay, undefined, signal === undefined ? {} : { signal });
    },
  });
}

class FailedAttempt extends Error {
  constructor(readonly reason: Error) {
    super(reason.message, { cause: reason });
  }
}

/** The text of an answer. @throws Error for one that is longer than it may be, without reading it to its end */
export async function readText(response: Response, maximumBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maximumBytes) throw new Error(`the answer is longer than ${maximumBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Makes a request and gives its answer to a function, within a time without progress: the function calls `onBytes`
 * whenever bytes arrive.
 * @throws RefusedError for a status from 400, and whatever else fetching throws, a time-out among it
 */
export async function withAnswer<T>(
  url: string,
  {
    get = fetch,
    patienceMs = 60_000,
    ...options
  }: RequestInit & { readonly get?: typeof fetch; readonly patienceMs?: number },
  use: (response: Response, onBytes: () => void) => Promise<T>,
): Promise<T> {
  const stalled = new AbortController();
  const watch = setTimeout(() => stalled.abort(new Error(`no byte in ${patienceMs / 1000} s`)), patienceMs);
  const signals = options.signal instanceof AbortSignal ? [stalled.signal, options.signal] : [stalled.signal];
  try {
    const response = await get(url, { ...options, signal: AbortSignal.any(signals) });
    if (response.status >= 400 && response.status !== 416) {
      await response.body?.cancel();
      throw new RefusedError(response);
    }
    return await use(response, () => watch.refresh());
  } finally {
    clearTimeout(watch);
  }
}
