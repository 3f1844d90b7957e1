import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readJson } from '@drf/files';
import { parseForMethod, type ExperimentConfig } from '@drf/experiment';
import { suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { EXPERIMENTS } from './experiments/index.js';

/**
 * An experiment by name, or from a file (`.json`, or a module with a default export), with overrides laid over it.
 * @throws ConfigurationError naming an unknown experiment (with the nearest), an unknown option, or a bad value
 */
export async function loadExperiment(nameOrFile: string, overrides: unknown): Promise<ExperimentConfig> {
  const base = await readExperiment(nameOrFile);
  return parseForMethod(base, [overrides], `Experiment ${nameOrFile}`);
}

/** An experiment as it was written. @throws ConfigurationError naming an unknown one, with the nearest */
export async function readExperiment(nameOrFile: string): Promise<unknown> {
  const known = EXPERIMENTS.get(nameOrFile);
  if (known !== undefined) return known;
  if (nameOrFile.endsWith('.json')) return readJson(nameOrFile, 1024 * 1024);
  if (/\.[mc]?[jt]s$/.test(nameOrFile)) {
    const module = (await import(pathToFileURL(resolve(nameOrFile)).href)) as { default?: unknown };
    if (module.default !== undefined) return module.default;
    throw new ConfigurationError({
      subject: `Experiment file ${nameOrFile}`,
      expected: 'a default export: export default defineExperiment({ … })',
      received: `exports ${Object.keys(module).join(', ') || 'nothing'}`,
    });
  }
  throw new ConfigurationError({
    subject: 'Experiment',
    expected: 'a known name or a .json, .js or .ts file',
    received: `"${nameOrFile}"`,
    remedy: suggestion(nameOrFile, [...EXPERIMENTS.keys()]),
  });
}
