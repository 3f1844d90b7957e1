import { Option } from 'commander';
import { ConfigurationError, ENGINE_NAMES, type EngineName, type ExecutionProvider } from '@drf/tensor';
import { oneOf, suggestion } from './options.js';

/** What the name of an engine stands for. */
type EngineChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'compiled'; readonly provider: ExecutionProvider }
  | { readonly kind: 'eager'; readonly backend: string };

function isEngineName(name: string): name is EngineName {
  return (ENGINE_NAMES as readonly string[]).includes(name);
}

/**
 * Reads the name of an engine, such as `compiled:cuda`; `compiled` alone is `compiled:cpu`.
 * @param subject who was given the name, for messages
 * @throws ConfigurationError for a name of no engine, with the nearest one
 */
export function parseEngineName(name: string, subject = 'Engine'): EngineChoice {
  if (!isEngineName(name)) {
    throw new ConfigurationError({
      subject,
      expected: `one of ${ENGINE_NAMES.map((valid) => `"${valid}"`).join(', ')}`,
      received: `"${name}"`,
      remedy: suggestion(name, ENGINE_NAMES),
    });
  }
  const [kind, on = 'cpu'] = name.split(':') as ['auto' | 'compiled' | 'eager', string | undefined];
  if (kind === 'auto') return { kind };
  return kind === 'eager' ? { kind, backend: on } : { kind, provider: on as ExecutionProvider };
}

/**
 * The option `--engine` of a program.
 * @param fallback the engine where none is given, or in words which one it then is
 */
export function engineOption(fallback: EngineName | { readonly note: string }): Option {
  const names = ENGINE_NAMES.join(', ');
  const isNote = typeof fallback === 'object';
  const option = new Option('--engine <name>', isNote ? `${names} (default: ${fallback.note})` : names);
  option.argParser(oneOf(ENGINE_NAMES));
  return isNote ? option : option.default(fallback);
}
