import type { BindingPackage } from '@drf/engine';
import type { FreeBytes } from './disk.js';
import type { RunCommand } from '@drf/terminal';

/** What a check of a build found: the engine computed on it. */
export interface Checked {
  /** TensorFlow's own version. */
  readonly tensorflow: string;
  readonly gpu: boolean;
  readonly gflops: number;
}

/** Everything through which an installation touches the machine; tests put in their own. */
export interface Tools {
  readonly run: RunCommand;
  readonly get: typeof fetch;
  readonly free: FreeBytes;
  readonly findBinding: () => BindingPackage | undefined;
  /** Runs the engine in another process on the build that is current in a folder. */
  readonly check: (folder: string) => Promise<Checked>;
  readonly platformName: string;
  readonly signal?: AbortSignal;
  /** No progress. */
  readonly silent: boolean;
  /** Tells the user what is being done. */
  readonly say: (line: string) => void;
  /** Passes on what a program prints. */
  readonly relay?: (text: string) => void;
}
