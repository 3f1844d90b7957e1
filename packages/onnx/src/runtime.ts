import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UnavailableError } from '@drf/tensor';

/**
 * Keeps ONNX Runtime from recording its use: since 1.30 it writes a device number and events to a database in the
 * user's cache folder, to be sent to its makers, unless told not to. Who wants that sets `ORT_DISABLE_TELEMETRY=0`.
 * Must run before the first session of the process, in the main thread: the environment of a worker thread is a copy
 * that native code does not see.
 */
export function disableTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}

/**
 * Keeps NVIDIA's libraries at float32. ONNX Runtime lets them round factors of products to TensorFloat-32 (10 of 23 bits)
 * by default, and its Node binding has no option against it. `NVIDIA_TF32_OVERRIDE=1` leaves them that speed. As for
 * telemetry, only the main thread's environment counts.
 */
function keepFloat32(): void {
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
}

/** What native code reads of the environment, before the first session of the process, wherever that is made. */
export function settleEnvironment(): void {
  disableTelemetry();
  keepFloat32();
}

interface OrtModule {
  listSupportedBackends(): readonly { readonly name: string; readonly bundled: boolean }[];
}

function loadRuntime(): OrtModule {
  settleEnvironment();
  try {
    return createRequire(import.meta.url)('onnxruntime-node') as OrtModule;
  } catch (error) {
    throw new UnavailableError(
      {
        subject: 'engine "compiled"',
        expected: `ONNX Runtime's native library for ${process.platform}-${process.arch}`,
        received: error instanceof Error ? error.message : String(error),
        remedy: 'use the engine "eager:wasm"',
      },
      { cause: error },
    );
  }
}

/** The providers that the installed ONNX Runtime was built with. @throws UnavailableError when it does not load. */
export function installedProviders(): string[] {
  return loadRuntime()
    .listSupportedBackends()
    .map((backend) => backend.name);
}

/** Folder of the installed package `onnxruntime-node`. */
export function runtimeFolder(): string {
  // its entry point is dist/index.js
  return dirname(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')));
}

/** Folder in which the package has, or its install script puts, native libraries for this platform. */
export function libraryFolder(): string {
  return join(runtimeFolder(), 'bin', 'napi-v6', process.platform, process.arch);
}
