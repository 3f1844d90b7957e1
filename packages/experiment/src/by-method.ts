import { suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { mergeConfig } from './flags.js';
import { withParsedOptions } from './method.js';
import { parseExperiment } from './parse.js';
import { METHOD_NAMES, type ExperimentConfig, type ExperimentInput, type MethodName } from './schema.js';

/** What an experiment says differently for some of the methods. */
export type MethodOptions = {
  readonly [Name in MethodName]?: Partial<Pick<ExperimentInput, 'model' | 'compared' | 'training'>>;
};

/** An experiment as files hold it: beside its options, those of single methods, which are laid over the others. */
export type ExperimentFile = ExperimentInput & { readonly methods?: MethodOptions };

/**
 * An experiment for the method that the overrides or the file name: the file's options, over them the file's own for
 * that method, then each of the further layers, the last one strongest.
 * @param layers partial experiments; each may have `methods` as the file may
 * @throws ConfigurationError as {@link parseExperiment}, and for an unknown method among `methods`
 */
export function parseForMethod(file: unknown, layers: readonly unknown[], source: string): ExperimentConfig {
  const all = [file, ...layers];
  const method = all.reduce<unknown>((chosen, layer) => fieldOf(layer, 'method') ?? chosen, undefined);
  const merged = all.reduce((base, layer) => {
    const { common, own } = split(layer, typeof method === 'string' ? method : DEFAULT_METHOD, source);
    return mergeConfig(mergeConfig(base, common), own);
  }, undefined);
  return withParsedOptions(parseExperiment(merged, source));
}

const DEFAULT_METHOD: MethodName = 'drf';

/** A layer's options for every method, and those for one. */
function split(layer: unknown, method: string, source: string): { readonly common: unknown; readonly own: unknown } {
  const methods = fieldOf(layer, 'methods');
  if (methods === undefined) return { common: layer, own: undefined };
  if (typeof methods !== 'object' || methods === null || Array.isArray(methods)) {
    throw unknownMethods(source, JSON.stringify(methods), 'write "methods": {"drf-paper": {…}}');
  }
  for (const name of Object.keys(methods)) {
    if (METHOD_NAMES.some((known) => known === name)) continue;
    throw unknownMethods(source, JSON.stringify(name), suggestion(name, METHOD_NAMES));
  }
  const common = Object.fromEntries(Object.entries(layer as object).filter(([name]) => name !== 'methods'));
  return { common, own: (methods as Record<string, unknown>)[method] };
}

function unknownMethods(source: string, received: string, remedy: string | undefined): ConfigurationError {
  const expected = `options by the names of methods: ${METHOD_NAMES.join(', ')}`;
  return new ConfigurationError({ subject: `${source}, option "methods"`, expected, received, remedy });
}

function fieldOf(layer: unknown, name: string): unknown {
  if (typeof layer !== 'object' || layer === null) return undefined;
  return (layer as Record<string, unknown>)[name];
}
