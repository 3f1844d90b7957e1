import { z } from 'zod';
import { namedValues, nearestName, suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';

/** A schema without its `optional`, `default` and `prefault` wrappers. */
export function unwrapSchema(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner;
}

/** The options in a group of options: the fields of an object schema, through defaults; of another schema none. */
export function optionsOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> {
  const inner = unwrapSchema(schema);
  return inner instanceof z.ZodObject ? inner.shape : {};
}

/**
 * Checks options and fills in their defaults.
 *
 * ```ts
 * parseOptions(z.strictObject({ radius: z.number().positive().default(2) }), {}, 'blur.ts'); // { radius: 2 }
 * ```
 * @param source where the options came from, for messages
 * @param unions what options of several types expect, by their names
 * @throws ConfigurationError naming an unknown option (with the nearest right one), or a value of the wrong type or range
 */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  source: string,
  unions: Readonly<Record<string, string>> = {},
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue, ...others] = result.error.issues as [z.core.$ZodIssue, ...z.core.$ZodIssue[]];
  const path = issue.path.join('.');
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] as string;
    const group = issue.path.reduce<z.ZodType | undefined>(
      (node, name) => node && optionsOf(node)[String(name)],
      schema,
    );
    throw new ConfigurationError({
      subject: source,
      expected: `known options${path === '' ? '' : ` in "${path}"`}`,
      received: `"${[path, key].filter(Boolean).join('.')}"${more}`,
      remedy: suggestion(key, Object.keys(group === undefined ? {} : optionsOf(group))),
    });
  }
  const received = issue.path.reduce<unknown>(
    (node, name) => (node as Record<PropertyKey, unknown> | undefined)?.[name],
    value,
  );
  throw new ConfigurationError({
    subject: `${source}, option "${path}"`,
    expected: expectation(issue, unions),
    received: `${JSON.stringify(received) ?? 'nothing'}${more}`,
    remedy: remedyFor(issue, received),
  });
}

/** The word that was meant, where only some are taken and one is near. */
function remedyFor(issue: z.core.$ZodIssue, received: unknown): string {
  const nearest = typeof received === 'string' ? nearestName(received, namesOf(issue)) : undefined;
  if (nearest !== undefined) return `did you mean "${nearest}"?`;
  return 'correct the value; --help lists what each option takes';
}

/** The words that are taken: of an enumeration, or as a schema's own rule has them in `params.names`. */
function namesOf(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  const names: unknown = issue.code === 'custom' ? issue.params?.['names'] : undefined;
  return Array.isArray(names) ? names.map(String) : [];
}

function expectation(issue: z.core.$ZodIssue, unions: Readonly<Record<string, string>>): string {
  switch (issue.code) {
    case 'invalid_value':
      return `one of ${issue.values.join(', ')}`;
    case 'invalid_type':
      return `a value of type ${issue.expected}`;
    case 'too_small':
      return `at least ${issue.minimum}${issue.inclusive === false ? ' (exclusive)' : ''}`;
    case 'invalid_union':
      return unions[String(issue.path.at(-1))] ?? issue.message;
    case 'too_big':
      return `at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

/**
 * An option's value from its text on a command line: by the option's type a number, true or false, a list "a,b", or an
 * object as JSON or as pairs "a=b,c=d". {@link parseOptions} then checks its range.
 * @param subject the option, for messages
 * @throws ConfigurationError for a text that is not of the option's type
 */
export function optionFromText(schema: z.ZodType, text: string, subject: string): unknown {
  const inner = unwrapSchema(schema);
  const refuse = (expected: string): never => {
    throw new ConfigurationError({
      subject,
      expected,
      received: JSON.stringify(text),
      remedy: 'correct the value; --help lists what each option takes',
    });
  };
  const number = (part: string): number | undefined =>
    part.trim() === '' || Number.isNaN(Number(part)) ? undefined : Number(part);
  const isJson = text.trimStart().startsWith('{');
  if (inner instanceof z.ZodBoolean) return text === 'true' || (text !== 'false' ? refuse('true or false') : false);
  if (inner instanceof z.ZodArray) {
    const areTexts = inner.element instanceof z.ZodString;
    return text.split(',').map((part) => (areTexts ? undefined : number(part)) ?? part.trim());
  }
  if (inner instanceof z.ZodRecord) {
    const pairs = isJson ? parsedObject(text) : namedValues(text);
    return pairs ?? refuse('JSON, such as {"a":"b"}, or pairs, such as a=b,c=d');
  }
  if (inner instanceof z.ZodUnion) {
    if (isJson) return parsedObject(text) ?? refuse('a JSON object, such as {"rare": 3}');
    return number(text) ?? text; // the schema knows which texts it takes
  }
  return inner instanceof z.ZodNumber ? (number(text) ?? refuse('a number')) : text;
}

function parsedObject(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
