import { availableParallelism } from 'node:os';
import type { InferenceSession } from 'onnxruntime-node';
import type { ExecutionProvider } from '@drf/tensor';
import type { ProviderMachine } from '../providers/machine.js';

/** How a session of ONNX Runtime computes. */
export interface RuntimeOptions {
  /** Where to compute; default `cpu`. Operators that the provider lacks run on the CPU. */
  readonly provider?: ExecutionProvider;
  /** What is asked whether a provider works; default: this machine. */
  readonly machine?: ProviderMachine;
  /** Threads inside an operator; default: the cores that are really available to this process. */
  readonly threads?: number;
  /** Whether idle threads wait by spinning: a little faster alone on the machine, much slower on a shared one. */
  readonly spinning?: boolean;
  /** Where ONNX Runtime writes its profile by kernel, as the first part of a file name. */
  readonly profilePrefix?: string;
}

/**
 * Core ML in the format that keeps float32 (COREML_FLAG_CREATE_MLPROGRAM, 0x10), on CPU and GPU (COREML_FLAG_USE_CPU_AND_GPU,
 * 0x20): its third device, the neural engine, computes in half precision.
 */
const CORE_ML = { name: 'coreml', coreMlFlags: 0x10 | 0x20 } as const;

/**
 * What ONNX Runtime is told.
 * @param keepsMemory whether the session keeps the memory of its intermediate values from run to run: faster, but each
 * session holds its own, and the first run's and the later ones' beside each other; `any sizes`: of inputs whose sizes
 * differ, for which memory is not laid out by the first run's
 */
export function sessionOptions(
  { provider, threads, spinning, profilePrefix }: RuntimeOptions,
  keepsMemory: boolean | 'any sizes',
): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider === 'coreml' ? CORE_ML : (provider ?? 'cpu')],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads ?? availableParallelism(),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 4, // errors are thrown; the runtime need not print them too
    enableProfiling: profilePrefix !== undefined,
    ...(profilePrefix === undefined ? {} : { profileFilePrefix: profilePrefix }),
    enableCpuMemArena: keepsMemory !== false,
    enableMemPattern: keepsMemory === true && provider !== 'dml', // which DirectML does not support
    extra: {
      session: { intra_op: { allow_spinning: spinning === true ? '1' : '0' }, set_denormal_as_zero: '1' },
      // it would merge a reshape that holds back what is computed anew with the one that follows
      optimization: { disable_specified_optimizers: 'ReshapeFusion' },
    },
  };
}
