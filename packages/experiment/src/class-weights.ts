import { balancedClassWeights } from '@drf/model';
import { suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import type { ExperimentConfig } from './schema.js';

/** Whether an experiment's classification losses count classes by weights. */
export function weighsClasses({ training }: Pick<ExperimentConfig, 'training'>): boolean {
  return training.classWeights !== undefined && training.classWeights !== 'none';
}

/**
 * The weights that an experiment asks for.
 * @param classes names, in their order
 * @param labels class index of each training post
 * @returns [classes]; nothing where all classes count the same
 * @throws ConfigurationError when a weight is of no class
 */
export function measureClassWeights(
  config: Pick<ExperimentConfig, 'training'>,
  classes: readonly string[],
  labels: Int32Array | readonly number[],
): Float32Array | undefined {
  const { classWeights } = config.training;
  if (classWeights === undefined || classWeights === 'none') return undefined;
  if (classWeights === 'balanced') return balancedClassWeights(labels, classes.length);
  const unknown = Object.keys(classWeights).find((name) => !classes.includes(name));
  if (unknown !== undefined) throw noSuchClass(unknown, classes);
  return Float32Array.from(classes, (name) => (Object.hasOwn(classWeights, name) ? classWeights[name] : 1) as number);
}

function noSuchClass(name: string, classes: readonly string[]): ConfigurationError {
  return new ConfigurationError({
    subject: 'training.classWeights',
    expected: 'names of classes',
    received: JSON.stringify(name),
    remedy: suggestion(name, classes),
  });
}
