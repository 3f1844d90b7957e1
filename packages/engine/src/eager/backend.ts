import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, UnavailableError } from '@drf/tensor';
import { loadNativeTensorFlow } from '../native/load.js';
import { registerWasmKernels } from './wasm-kernels.js';

/** Backends that this package knows how to load; others must have been registered with tfjs by the caller. */
export const EAGER_BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;

/** tfjs greets Node users with advice to install tfjs-node, once, on the first write; that is no warning of ours. */
function silenceBanner(): void {
  const backend = tf.backend() as tf.KernelBackend & { firstUse?: boolean };
  if (backend.firstUse === true) backend.firstUse = false;
}

async function register(name: string): Promise<void> {
  if (name === 'wasm') {
    await import('@tensorflow/tfjs-backend-wasm');
    registerWasmKernels();
  }
  if (name === 'tensorflow') await loadNativeTensorFlow();
  if (tf.engine().registryFactory[name] === undefined) {
    throw new ConfigurationError({
      subject: 'createEagerEngine',
      expected: `a tfjs backend (${EAGER_BACKENDS.join(', ')}, or one that you registered)`,
      received: `"${name}"`,
    });
  }
}

/** tfjs reports a failed start by `false` after printing a warning; the warning becomes part of the error instead. */
async function startQuietly(name: string): Promise<void> {
  const said: string[] = [];
  const warn = console.warn;
  console.warn = (...words: unknown[]) => void said.push(words.map(String).join(' '));
  try {
    if (await tf.setBackend(name)) return;
  } finally {
    console.warn = warn;
  }
  throw new UnavailableError({
    subject: `tfjs backend "${name}"`,
    expected: 'to start on this machine',
    received: said.join('\n') || 'no reason given',
    remedy: 'choose another engine, such as "compiled" or "eager:cpu"',
  });
}

/**
 * Registers and starts a tfjs backend, leaving the current one current.
 * @throws ConfigurationError when tfjs has no such backend; UnavailableError when it does not start.
 */
export async function startBackend(name: string): Promise<void> {
  const before = tf.getBackend(); // before anything loads: a package of its own may make its backend current
  await register(name);
  await startQuietly(name);
  silenceBanner();
  if (before) useBackend(before);
}

function useBackend(name: string): void {
  // The part of setBackend that matters here is synchronous once the backend has started.
  if (tf.getBackend() !== name) void tf.setBackend(name);
}

/** Runs a synchronous function with a started backend as the current one, then restores the one before. */
export function withBackend<T>(name: string, run: () => T): T {
  const before = tf.getBackend();
  useBackend(name);
  try {
    return run();
  } finally {
    if (before) useBackend(before);
  }
}
