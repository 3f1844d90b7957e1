import type { ExecutionProvider, HostTensor } from '@drf/tensor';

/** What is asked about a machine to tell whether a provider works on it; tests put in their own. */
export interface ProviderMachine {
  /** `linux-x64` */
  readonly platform: string;
  /** The providers that ONNX Runtime was built with. @throws UnavailableError when it does not load */
  readonly installed: () => readonly string[];
  readonly exists: (path: string) => boolean;
  /** Folder of the package `onnxruntime-node`. */
  readonly package: () => string;
  /** Folder of its native libraries. */
  readonly libraries: () => string;
  /** Computes the trial on a provider alone. @throws UnavailableError with ONNX Runtime's words */
  readonly compute: (provider: ExecutionProvider) => Promise<readonly HostTensor[]>;
  /** Names of the libraries that a library needs and the loader does not find. */
  readonly unresolved: (library: string) => Promise<readonly string[]>;
}
