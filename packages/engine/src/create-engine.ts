import { ConfigurationError, ENGINE_NAMES, UnavailableError, type Engine, type EngineName } from '@drf/tensor';
import { createCompiledEngine } from './compiled/compiled-engine.js';
import type { CompileOptions } from './compiled/options.js';
import { startBackend } from './eager/backend.js';
import { createEagerEngine } from './eager/eager-engine.js';
import { nativeMayUseGpu, nativeUsesGpu } from './native/load.js';

function isEngineName(name: string): name is EngineName {
  return (ENGINE_NAMES as readonly string[]).includes(name);
}

async function nativeGpuWorks(): Promise<boolean> {
  if (!nativeMayUseGpu()) return false;
  try {
    await startBackend('tensorflow');
    return nativeUsesGpu();
  } catch (error) {
    if (error instanceof UnavailableError) return false;
    throw error;
  }
}

/** ONNX Runtime ships libraries for the common platforms only. */
async function compiledOrWasm(options: CompileOptions): Promise<Engine> {
  try {
    return await createCompiledEngine(options);
  } catch (error) {
    if (error instanceof UnavailableError) return createEagerEngine('wasm');
    throw error;
  }
}

/**
 * Makes an engine by name. `auto` takes native TensorFlow where it has a GPU, else the compiled engine, else wasm.
 * @param options of the compiled engine; the others take none
 * @throws ConfigurationError naming the valid names; UnavailableError when the named engine does not work here.
 */
export async function createEngine(name = 'auto', options: CompileOptions = {}): Promise<Engine> {
  if (!isEngineName(name)) {
    throw new ConfigurationError({
      subject: 'createEngine',
      expected: `one of ${ENGINE_NAMES.map((valid) => `"${valid}"`).join(', ')}`,
      received: `"${name}"`,
    });
  }
  if (name === 'compiled') return createCompiledEngine(options);
  if (name !== 'auto') return createEagerEngine(name.slice('eager:'.length));
  return (await nativeGpuWorks()) ? createEagerEngine('tensorflow') : compiledOrWasm(options);
}

/**
 * Why an engine does not work on this machine; nothing when it does. Starts it, which takes native TensorFlow about a
 * second.
 */
export async function whyUnavailable(name: EngineName): Promise<string | undefined> {
  try {
    await (await createEngine(name)).dispose();
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}
