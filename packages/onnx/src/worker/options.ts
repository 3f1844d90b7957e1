import { availableParallelism } from 'node:os';
import { createRequire } from 'node:module';
import type { InferenceSession } from 'onnxruntime-node';
import { ConfigurationError, UnavailableError } from '@drf/tensor';

/** ONNX Runtime's execution providers that this package offers. */
export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
/** One of {@link EXECUTION_PROVIDERS}. */
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

/** How a session of ONNX Runtime computes. */
export interface RuntimeOptions {
  /** Where to compute; default `cpu`. Operators that the provider lacks run on the CPU. */
  readonly provider?: ExecutionProvider;
  /** Threads inside an operator; default: the cores that are really available to this process. */
  readonly threads?: number;
  /** Whether idle threads wait by spinning: a little faster alone on the machine, much slower on a shared one. */
  readonly spinning?: boolean;
  /** Where ONNX Runtime writes its profile by kernel, as the first part of a file name. */
  readonly profilePrefix?: string;
}

/**
 * Keeps ONNX Runtime from recording its use: since 1.30 it writes a device number and events to a database in the
 * user's cache folder, to be sent to its makers, unless told not to. Who wants that sets `ORT_DISABLE_TELEMETRY=0`.
 * Must run before the first session of the process, in the main thread: the environment of a worker thread is a copy
 * that native code does not see.
 */
export function disableTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}

interface OrtModule {
  listSupportedBackends(): readonly { readonly name: string; readonly bundled: boolean }[];
}

function loadRuntime(): OrtModule {
  disableTelemetry();
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

/** @throws ConfigurationError for an unknown provider; UnavailableError for one that is not installed. */
export function assertProvider(provider: string): void {
  if (!(EXECUTION_PROVIDERS as readonly string[]).includes(provider)) {
    throw new ConfigurationError({
      subject: 'option "provider"',
      expected: `one of ${EXECUTION_PROVIDERS.join(', ')}`,
      received: `"${provider}"`,
    });
  }
  const installed = installedProviders();
  if (!installed.includes(provider)) {
    throw new UnavailableError({
      subject: `execution provider "${provider}"`,
      expected: `an ONNX Runtime for ${process.platform}-${process.arch} that was built with it`,
      received: `one with ${installed.join(', ')}`,
      remedy: 'choose "cpu", or install an onnxruntime-node with that provider',
    });
  }
}

/**
 * What ONNX Runtime is told.
 * @param keepsMemory whether the session keeps the memory of its intermediate values from run to run: faster, but each
 * session holds its own, and the first run's and the later ones' beside each other
 */
export function sessionOptions(
  { provider, threads, spinning, profilePrefix }: RuntimeOptions,
  keepsMemory: boolean,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider ?? 'cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads ?? availableParallelism(),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 4, // errors are thrown; the runtime need not print them too
    enableProfiling: profilePrefix !== undefined,
    ...(profilePrefix === undefined ? {} : { profileFilePrefix: profilePrefix }),
    enableCpuMemArena: keepsMemory,
    enableMemPattern: keepsMemory,
    extra: { session: { intra_op: { allow_spinning: spinning === true ? '1' : '0' }, set_denormal_as_zero: '1' } },
  };
}
