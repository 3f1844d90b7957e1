import { RequestError } from './request-error.js';

/** A share of the budget, held by the request and by the work that came of it; given back when both are over. */
export interface BodyLease {
  /** One more holder: the share is held until the promise has settled, however it does. */
  until(work: Promise<unknown>): void;
  /** The first holder, the request, is over. Further calls do nothing. */
  release(): void;
}

/** Bounds the bytes of all bodies that are in memory at once, whoever sends them and however slowly. */
export class BodyBudget {
  private bytes = 0;

  constructor(private readonly limits: { readonly bodyBytes: number; readonly totalBodyBytes: number }) {}

  /** Bytes that are spoken for. */
  get used(): number {
    return this.bytes;
  }

  /**
   * Takes a share before a body is read.
   * @param contentLength as the header says; without one, a body may grow to the limit
   * @throws RequestError (body-too-large, busy)
   */
  take(contentLength: string | undefined): BodyLease {
    const { bodyBytes, totalBodyBytes } = this.limits;
    const claimed = contentLength === undefined ? bodyBytes : Number(contentLength);
    if (claimed > bodyBytes) throw bodyTooLarge(bodyBytes, `${claimed} bytes`);
    if (this.bytes + claimed > totalBodyBytes) {
      throw new RequestError('busy', {
        subject: 'The service',
        expected: `at most ${totalBodyBytes} bytes of requests at once`,
        received: `${claimed} bytes more than the ${this.bytes} that are held already`,
        remedy: 'try again when Retry-After has passed',
      });
    }
    this.bytes += claimed;
    return this.lease(claimed);
  }

  private lease(bytes: number): BodyLease {
    let holders = 1;
    let requestIsOver = false;
    const leave = (): void => {
      holders -= 1;
      if (holders === 0) this.bytes -= bytes;
    };
    return {
      until: (work) => {
        holders += 1;
        void work.then(leave, leave);
      },
      release: () => {
        if (requestIsOver) return;
        requestIsOver = true;
        leave();
      },
    };
  }
}

export function bodyTooLarge(limit: number, received: string): RequestError {
  return new RequestError('body-too-large', {
    subject: 'The body',
    expected: `at most ${limit} bytes`,
    received,
    remedy: 'shrink the image, or send fewer posts at once',
  });
}
