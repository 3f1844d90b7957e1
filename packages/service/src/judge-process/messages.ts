import { ImageError, type ImageFault } from '@drf/preprocessing';
import {
  CheckpointError,
  ConfigurationError,
  DataError,
  DrfError,
  NonFiniteError,
  ShapeMismatchError,
  UnavailableError,
  type ErrorReport,
} from '@drf/tensor';
import type { JudgeInfo, openJudge, PostContent } from '@drf/judge';
import type { ServedJudge } from '../work.js';

/** What the module of a judge's process must export; `@drf/judge` does. */
export interface JudgeModule {
  readonly openJudge: (...open: Parameters<typeof openJudge>) => Promise<ServedJudge>;
}

/** What a judge's process is asked. */
export type Question =
  | { readonly kind: 'judge'; readonly post: PostContent }
  | { readonly kind: 'decode'; readonly subject: string; readonly bytes: Uint8Array; readonly maximumPixels: number };

export type ToChild =
  | {
      readonly type: 'open';
      readonly module: string;
      readonly open: Parameters<typeof openJudge>;
      readonly parent: number;
    }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'close' };

export type FromChild =
  | { readonly type: 'ready'; readonly info: JudgeInfo }
  | { readonly type: 'refused'; readonly failure: Failure }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly failure: Failure }
  | { readonly type: 'alive'; readonly residentBytes: number };

/** An error on its way between processes. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of errors that are thrown on purpose. */
  readonly report?: ErrorReport;
  /** Of an `ImageError`. */
  readonly reason?: ImageFault;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack } = error;
  return {
    name,
    message,
    stack,
    ...(error instanceof DrfError ? { report: error.report } : {}),
    ...(error instanceof ImageError ? { reason: error.reason } : {}),
  };
}

const CLASSES = {
  CheckpointError,
  ConfigurationError,
  DataError,
  NonFiniteError,
  ShapeMismatchError,
  UnavailableError,
};

/** The error as it was thrown, with its stack there; of a class that is not known here, the nearest. */
export function errorOf({ name, message, stack, report, reason }: Failure): Error {
  const error = make();
  if (stack !== undefined) error.stack = stack;
  return error;

  function make(): Error {
    if (report === undefined) return Object.assign(new Error(message), { name });
    if (reason !== undefined) return new ImageError(reason, report);
    return new (CLASSES[name as keyof typeof CLASSES] ?? DrfError)(report);
  }
}
