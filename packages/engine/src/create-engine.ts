import { chooseProvider, type PassedOver } from '@drf/onnx';
import { UnavailableError, type Engine, type EngineName } from '@drf/tensor';
import { parseEngineName } from '@drf/terminal';
import { createCompiledEngine } from './compiled/compiled-engine.js';
import type { CompileOptions } from './compiled/options.js';
import { startBackend } from './eager/backend.js';
import { createEagerEngine } from './eager/eager-engine.js';
import { nativeMayUseGpu, nativeUsesGpu } from './native/load.js';

/** Options of the compiled engine, and who hears what `auto` does not take. */
export interface CreateEngineOptions extends CompileOptions {
  /** Is told of each accelerator that `auto` tried in vain; default: a warning of the process. */
  readonly onPassedOver?: (accelerator: PassedOver) => void;
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

function warnOf({ provider, reason, remedy }: PassedOver): void {
  process.emitWarning(`the engine "auto" does not take "compiled:${provider}": ${reason}; ${remedy}`, 'EngineWarning');
}

/** The accelerator or the CPU; ONNX Runtime ships libraries for the common platforms only. */
async function compiledOrWasm({ onPassedOver = warnOf, ...options }: CreateEngineOptions): Promise<Engine> {
  try {
    const { provider, passedOver } = await chooseProvider(options.machine);
    passedOver.filter(({ tried }) => tried).forEach(onPassedOver);
    return await createCompiledEngine({ ...options, provider });
  } catch (error) {
    if (error instanceof UnavailableError) return createEagerEngine('wasm');
    throw error;
  }
}

/**
 * Makes an engine by name. `auto` takes native TensorFlow where it has a GPU, else the compiled engine on an accelerator
 * that works (see {@link chooseProvider}) or on the CPU, else wasm.
 * @param options of the compiled engine; the others take none
 * @throws ConfigurationError naming the valid names; UnavailableError when the named engine does not work here.
 */
export async function createEngine(name = 'auto', options: CreateEngineOptions = {}): Promise<Engine> {
  const choice = parseEngineName(name, 'createEngine');
  switch (choice.kind) {
    case 'compiled':
      return createCompiledEngine(name === 'compiled' ? options : { ...options, provider: choice.provider });
    case 'eager':
      return createEagerEngine(choice.backend);
    case 'auto':
      return (await nativeGpuWorks()) ? createEagerEngine('tensorflow') : compiledOrWasm(options);
  }
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
