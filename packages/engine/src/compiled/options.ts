import type { RuntimeOptions } from '@drf/onnx';

/** How the compiled engine computes. */
export interface CompileOptions extends RuntimeOptions {
  /**
   * Constants of a prepared function up to so many bytes in all are written into its graphs, where what depends on them
   * alone is computed once; larger ones lie in memory that the function's sessions share. Default 64 MiB. A graph for all sizes
   * (`dynamicAxes`) has them in it anyway.
   */
  readonly writtenBytes?: number;
  /** Bytes of a step's state in one WebAssembly memory, of which there are as many as it takes; default 1 GiB. */
  readonly memoryBytes?: number;
}
