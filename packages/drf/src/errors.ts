import { DrfError } from '@drf/tensor';

/**
 * Work that an `AbortSignal` ended. Nothing that was computed is lost: what there is lies in `folder`. Its name is
 * "AbortError", as of everything that a signal ends, and its `cause` the signal's reason.
 */
export class InterruptedError extends DrfError {
  static override readonly code: string = 'interrupted';
  override readonly name = 'AbortError';

  /**
   * @param folder of a training: the run, to go on with by `train({ resume })`; of an evaluation: the cells so far; null
   *   where the end came before there was anything
   */
  constructor(
    subject: string,
    readonly folder: string | null,
    remedy: string | undefined,
    reason: unknown,
  ) {
    super({ subject, expected: 'to reach its end', received: 'an abort', remedy }, { cause: reason });
  }
}
