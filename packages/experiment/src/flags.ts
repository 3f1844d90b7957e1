import { z } from 'zod';
import { moduleOf } from '@drf/disruption';
import { addOwnOption, optionFromText, unwrapSchema } from '@drf/files';
import { Option, type Command } from '@drf/terminal';
import { leavesOf, type Leaf } from './schema.js';

const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
/** `--training.batch-size` */
export const flagOf = (leaf: Leaf): string => `--${leaf.path.map(kebab).join('.')}`;

/** Longer lists of words belong to a flag's description. */
const LONGEST_PLACEHOLDER = 100;

/** What a flag takes, for help: "<number>", "<drf|concatenation>", "<true|false>". */
function placeholder(schema: z.ZodType): string {
  const inner = unwrapSchema(schema);
  if (inner instanceof z.ZodEnum) {
    const words = inner.options.join('|');
    return words.length > LONGEST_PLACEHOLDER ? 'name' : words;
  }
  if (inner instanceof z.ZodUnion) return placeholderOfUnion(inner);
  if (inner instanceof z.ZodArray) return 'list';
  if (inner instanceof z.ZodRecord) return 'json|pairs';
  if (inner instanceof z.ZodBoolean) return 'true|false';
  return inner instanceof z.ZodNumber ? 'number' : 'text';
}

/** The words that it takes, and what kinds of values beside. */
function placeholderOfUnion({ options }: z.ZodUnion): string {
  const parts = options.flatMap((option): string[] => {
    if (option instanceof z.ZodEnum) return option.options.map(String);
    if (option instanceof z.ZodLiteral) return [...option.values].map(String);
    if (option instanceof z.ZodRecord) return ['json'];
    if (option instanceof z.ZodArray) return ['list'];
    return [option instanceof z.ZodNumber ? 'number' : 'text'];
  });
  return parts.join('|');
}

/** What the option is for, and its value where none is given. */
function describe(schema: z.ZodType): string {
  const meaning = schema.meta()?.description ?? schema.description ?? '';
  const { data } = schema.safeParse(undefined);
  if (data === undefined || meaning.includes('(default')) return meaning;
  return `${meaning} (default: ${Array.isArray(data) ? data.join(',') : String(data)})`;
}

/** Headings of groups of options in help, by the first key of their names. */
const HEADINGS: Readonly<Record<string, string>> = {
  dataset: 'Posts and splits:',
  encoders: 'Encoders:',
  model: 'Model:',
  compared: 'Compared methods:',
  training: 'Training:',
};

const DEFAULTS =
  '\nDefaults of these groups hold where an experiment says nothing else; named ones, and --data, bring options of their own.';

/**
 * Adds a flag for every option of an experiment: `--training.batch-size <number>`.
 * @param isWanted which of them, by dotted name ("training.batchSize"); default: all
 */
export function addConfigFlags(command: Command, isWanted: (name: string) => boolean = () => true): Command {
  for (const leaf of leavesOf().filter(({ path }) => isWanted(path.join('.')))) {
    const option = new Option(`${flagOf(leaf)} <${placeholder(leaf.schema)}>`, describe(leaf.schema));
    command.addOption(option.helpGroup(HEADINGS[leaf.path[0] as string] ?? 'Experiment:'));
  }
  return command.addHelpText('after', DEFAULTS);
}

/** Flags whose values may name modules of the user's own, besides `--own`. */
const MODULE_FLAGS = ['dataset.name', 'dataset', 'training.disruption', 'cells', 'trained-on', 'method', 'methods', 'encoders.image', 'encoders.text']; // prettier-ignore

/**
 * Lets a program take modules of the user's own: it loads those that its flags name before it acts, and `--own` names
 * further ones, which a run, an experiment file or a grid asks for.
 */
export function takeOwnModules(command: Command): Command {
  return addOwnOption(command, (options) => {
    const named = MODULE_FLAGS.flatMap((flag) => [options[new Option(`--${flag} <value>`).attributeName()]].flat());
    const texts = named.flatMap((value) => (typeof value === 'string' ? value.split(',') : []));
    const modules = texts.map((text) => moduleOf(text.replace(/(\+simulation|[+-]discriminants)$/, ''))); // may follow a method of a grid
    return modules.filter((module) => module !== undefined);
  });
}

/**
 * The flags that were given, as a nested object to lay over an experiment.
 * @param options commander's parsed options
 * @throws ConfigurationError for a value that is not of the flag's type
 */
export function overridesFrom(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const leaf of leavesOf()) {
    const text = options[new Option(`${flagOf(leaf)} <value>`).attributeName()];
    if (typeof text !== 'string') continue;
    let node = overrides;
    for (const key of leaf.path.slice(0, -1)) node = (node[key] ??= {}) as Record<string, unknown>;
    node[leaf.path.at(-1) as string] = optionFromText(leaf.schema, text, `Option ${flagOf(leaf)}`);
  }
  return overrides;
}

/** The flags of options that were given, each with its text. @param options commander's parsed options */
export function configFlags(options: Readonly<Record<string, unknown>>): [flag: string, text: string][] {
  return leavesOf().flatMap((leaf): [string, string][] => {
    const text = options[new Option(`${flagOf(leaf)} <value>`).attributeName()];
    return typeof text === 'string' ? [[flagOf(leaf), text]] : [];
  });
}

/** Lays overrides over an experiment, group by group. */
export function mergeConfig(base: unknown, overrides: unknown): unknown {
  const isGroup = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isGroup(base) || !isGroup(overrides)) return overrides ?? base;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overrides)) merged[key] = mergeConfig(base[key], value);
  return merged;
}
