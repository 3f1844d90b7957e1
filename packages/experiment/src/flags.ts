import { z } from 'zod';
import { namedValues, Option, type Command } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { leavesOf, unwrap, type Leaf } from './schema.js';

const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const flagOf = (leaf: Leaf): string => `--${leaf.path.map(kebab).join('.')}`;

/** Longer lists of words belong to a flag's description. */
const LONGEST_PLACEHOLDER = 100;

/** What a flag takes, for help: "<number>", "<drf|concatenation>", "<true|false>". */
function placeholder(schema: z.ZodType): string {
  const inner = unwrap(schema);
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

/** Adds a flag for every option of an experiment: `--training.batch-size <number>`. */
export function addConfigFlags(command: Command): Command {
  for (const leaf of leavesOf()) {
    const option = new Option(`${flagOf(leaf)} <${placeholder(leaf.schema)}>`, describe(leaf.schema));
    command.addOption(option.helpGroup(HEADINGS[leaf.path[0] as string] ?? 'Experiment:'));
  }
  return command.addHelpText('after', DEFAULTS);
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
    node[leaf.path.at(-1) as string] = convert(leaf, text);
  }
  return overrides;
}

function convert(leaf: Leaf, text: string): unknown {
  const inner = unwrap(leaf.schema);
  const refuse = (expected: string): never => {
    throw new ConfigurationError({
      subject: `Option ${flagOf(leaf)}`,
      expected,
      received: JSON.stringify(text),
      remedy: 'correct the value; --help lists what each option takes',
    });
  };
  if (inner instanceof z.ZodBoolean) return text === 'true' || (text !== 'false' ? refuse('true or false') : false);
  const number = (part: string): number | undefined =>
    part.trim() === '' || Number.isNaN(Number(part)) ? undefined : Number(part);
  if (inner instanceof z.ZodArray) {
    const areTexts = inner.element instanceof z.ZodString;
    return text.split(',').map((part) => (areTexts ? undefined : number(part)) ?? part.trim());
  }
  if (inner instanceof z.ZodRecord) {
    return (text.trimStart().startsWith('{') ? parsedObject(text) : namedValues(text)) ?? refuse('JSON, such as {"a":"b"}, or pairs, such as a=b,c=d'); // prettier-ignore
  }
  if (inner instanceof z.ZodUnion && text.trimStart().startsWith('{')) {
    return parsedObject(text) ?? refuse('a JSON object, such as {"rare": 3}');
  }
  if (inner instanceof z.ZodUnion) return number(text) ?? text; // the schema knows which texts it takes
  if (!(inner instanceof z.ZodNumber)) return text;
  return number(text) ?? refuse('a number');
}

function parsedObject(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
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
