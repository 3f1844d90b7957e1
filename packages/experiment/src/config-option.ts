import { z } from 'zod';
import { optionFromText, unwrapSchema } from '@drf/files';
import { nearestName } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { flagOf } from './flags.js';
import { leavesOf, type Effect } from './schema.js';

/** An option of experiments, for programs that vary it. */
export interface ConfigOption {
  /** Keys from the root of the configuration: `training`, `learningRate`. */
  readonly path: readonly string[];
  /** As a command line writes it: `--training.learning-rate`. */
  readonly flag: string;
  readonly effect: Effect;
  readonly takes: 'whole numbers' | 'numbers' | 'others';
  /** Its value of a text. @throws ConfigurationError for a text that is not of the option's type */
  fromText(text: string): unknown;
  /** Why it does not take a value; nothing where it does. */
  refusal(value: unknown): string | undefined;
}

/**
 * An option by its name, as flags spell it (`training.learning-rate`) or as files do (`training.learningRate`).
 * @param subject of the message
 * @throws ConfigurationError naming the nearest option to an unknown one
 */
export function configOption(name: string, subject: string): ConfigOption {
  const leaves = leavesOf();
  const flag = `--${name.replace(/^--/, '')}`;
  const leaf = leaves.find((own) => flagOf(own) === flag || own.path.join('.') === name);
  if (leaf === undefined) {
    const names = leaves.map((own) => flagOf(own).slice(2));
    const lastOf = (own: string): string => own.split('.').at(-1) as string;
    const byLast = names.find((own) => lastOf(own) === nearestName(lastOf(name), names.map(lastOf)));
    const nearest = nearestName(name, names) ?? byLast;
    const remedy = nearest === undefined ? 'see --help for their names' : `did you mean "${nearest}"?`;
    throw new ConfigurationError({ subject, expected: 'an option of experiments', received: `"${name}"`, remedy });
  }
  const { path, schema } = leaf;
  const inner = unwrapSchema(schema);
  return {
    path,
    flag: flagOf(leaf),
    effect: schema.meta()?.effect as Effect,
    takes: !(inner instanceof z.ZodNumber) ? 'others' : inner.isInt ? 'whole numbers' : 'numbers',
    fromText: (text) => optionFromText(schema, text, subject),
    refusal: (value) => schema.safeParse(value).error?.issues[0]?.message,
  };
}

/** The value that an experiment has for an option; undefined where it is left out. */
export function valueOfOption(config: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, key) => (node as Readonly<Record<string, unknown>> | undefined)?.[key], config);
}
