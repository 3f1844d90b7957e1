import type { ServerResponse } from 'node:http';
import { RequestError } from './request-error.js';

/** Ends when the client leaves or the time is over, whichever is first. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** The work's result, or the reason why nobody waits for it any more. */
  race<Value>(work: Promise<Value>): Promise<Value>;
  release(): void;
}

export function answerDeadline(response: ServerResponse, milliseconds: number): Deadline {
  const controller = new AbortController();
  const left = (): void => {
    if (!response.writableEnded) controller.abort(clientLeft());
  };
  const timer = setTimeout(() => controller.abort(tooLate(milliseconds)), milliseconds);
  response.once('close', left);
  return {
    signal: controller.signal,
    race: (work) => {
      return new Promise((resolve, reject) => {
        const { signal } = controller;
        const stop = (): void => reject(signal.reason as Error);
        if (signal.aborted) stop();
        signal.addEventListener('abort', stop, { once: true });
        work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
      });
    },
    release: () => {
      clearTimeout(timer);
      response.off('close', left);
    },
  };
}

function clientLeft(): RequestError {
  return new RequestError('client-closed-request', {
    subject: 'The request',
    expected: 'a client that waits for its answer',
    received: 'a closed connection',
  });
}

function tooLate(milliseconds: number): RequestError {
  return new RequestError('answer-timeout', {
    subject: 'The service',
    expected: `to answer within ${milliseconds} ms`,
    received: 'more work than that',
    remedy: 'try again later, or send fewer posts at once',
  });
}
