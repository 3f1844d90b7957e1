import type * as Transformers from '@huggingface/transformers';
import { disableTelemetry } from '@drf/engine';
import { UnavailableError } from '@drf/tensor';

export type Library = typeof Transformers;

/**
 * Loads `@huggingface/transformers`, which takes a second, only when it is needed.
 * @throws UnavailableError when it, or the ONNX Runtime below it, does not load here
 */
export async function loadLibrary(): Promise<Library> {
  disableTelemetry(); // it brings ONNX Runtime
  try {
    const library = await import('@huggingface/transformers');
    library.env.logLevel = Math.max(library.env.logLevel, library.LogLevel.ERROR); // errors come as exceptions
    return library;
  } catch (error) {
    throw new UnavailableError(
      {
        subject: 'npm package @huggingface/transformers',
        expected: 'to load on this machine',
        received: error instanceof Error ? error.message : String(error),
        remedy: 'run "pnpm install", or use the embedded encoders',
      },
      { cause: error },
    );
  }
}
