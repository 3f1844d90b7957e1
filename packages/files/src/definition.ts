import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { resolve as resolveModule } from 'import-meta-resolve';
import { z } from 'zod';
import { addOwnDefinition, ConfigurationError, refuser, type OwnDefinition } from '@drf/tensor';
import { optionFromText, optionsOf, parseOptions } from './options.js';
import { contentHash } from './read.js';

/**
 * A method, data set, encoder or disruption: the default export of a module of one's own, and what this repository's own
 * ones are.
 *
 * ```ts
 * export default {
 *   name: 'blur',
 *   options: z.strictObject({ radius: z.number().positive().default(2) }),
 *   create: ({ radius }) => …,
 * } satisfies DisruptionDefinition;
 * ```
 */
export interface Definition<
  Schema extends z.ZodObject = z.ZodObject,
  Needs = unknown,
  Context extends readonly unknown[] = readonly never[],
  Product = unknown,
> {
  /** Letters, digits, "-", "_", "." and "+"; what reports call it. */
  readonly name: string;
  /** Its options with their defaults; each `describe()`d, for help. Left out: it has none. */
  readonly options?: Schema;
  /** What it asks of the pipeline, as its kind knows it. Left out: nothing. */
  readonly needs?: Needs;
  /** Makes it. @param options checked, with defaults @param context what the pipeline gives to its kind */
  create(options: z.output<Schema>, ...context: Context): Product;
}

const PACKAGE = 'package:';

/** Whether a text names a module of one's own: a file ("./my-method.ts") or a package ("package:my-method"). */
export function isModulePath(text: string): boolean {
  return text.startsWith(PACKAGE) || /\.[mc]?[jt]s$/.test(text);
}

/**
 * Loads a definition from a user's own file or package, which **runs the module's code**: pass only what the user named
 * on the command line or in code, never what a run, an export or another file names. From then on the process knows it
 * by its id and by `spec` (`ownDefinition` of @drf/tensor).
 *
 * A file is `.js` or `.mjs`, or `.ts` where Node is given a loader for it, as all commands of this repository are. A
 * package is found from `folder` as Node finds it. The id holds the file's content, of which imports are no part.
 *
 * ```ts
 * const { id, definition, parseOptions } = await loadDefinition<MethodDefinition>('./my-method.mjs', 'method');
 * const method = definition.create(parseOptions({ width: 64 }), shapes);
 * ```
 * @param spec "./my-method.ts" or "package:my-method" ({@link isModulePath})
 * @param kind for messages: "method", "data set", "encoder", "disruption"
 * @param folder that paths are relative to, by default the working folder
 * @throws ConfigurationError when the module is missing, does not load, or its default export is no definition
 */
export async function loadDefinition<Loaded extends Definition = Definition>(
  spec: string,
  kind = 'definition',
  folder: string = process.cwd(),
): Promise<OwnDefinition<Loaded>> {
  const refuse = refuser(ConfigurationError, `Own ${kind} ${spec}`);
  const path = locate(spec, folder, refuse);
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw refuse('a readable file', error.code ?? error.message, 'check the path', error);
  });
  const module: Readonly<Record<string, unknown>> = await import(pathToFileURL(path).href).catch(
    (error: NodeJS.ErrnoException) => {
      throw refuse('a module that loads', error.message, remedyFor(path, error), error);
    },
  );
  const definition = defaultOf(module);
  const problem = problemOf(definition);
  if (problem !== undefined) throw refuse(...problem);
  const checked = definition as Loaded;
  const own: OwnDefinition<Loaded> = {
    id: `${checked.name}@${contentHash(content).slice(0, 12)}`,
    definition: checked,
    parseOptions: (given) => parseDefinitionOptions(checked, given),
  };
  addOwnDefinition(spec, own);
  return own;
}

/**
 * A definition's options, checked and with their defaults.
 * @param given by name; a text is read as the option's type asks, as it comes from a command line ("width=64" as
 *   `{ width: '64' }`)
 * @param source where they came from, for messages
 * @throws ConfigurationError naming an unknown option (with the nearest right one), or a value of the wrong type or range
 */
export function parseDefinitionOptions<Schema extends z.ZodObject>(
  { name, options }: Pick<Definition<Schema>, 'name' | 'options'>,
  given: Readonly<Record<string, unknown>>,
  source = `Options of ${name}`,
): z.output<Schema> {
  const schema = (options ?? z.object({})).strict();
  const typed = Object.entries(given).map(([key, value]) => {
    const option = optionsOf(schema)[key];
    const isText = typeof value === 'string' && option !== undefined;
    return [key, isText ? optionFromText(option, value, `${source}, option "${key}"`) : value];
  });
  return parseOptions(schema, Object.fromEntries(typed), source) as z.output<Schema>;
}

function locate(spec: string, folder: string, refuse: ReturnType<typeof refuser>): string {
  if (!spec.startsWith(PACKAGE)) return resolve(folder, spec);
  const name = spec.slice(PACKAGE.length);
  try {
    return fileURLToPath(resolveModule(name, pathToFileURL(join(folder, 'package.json')).href));
  } catch (error) {
    throw refuse('an installed package', (error as Error).message, `install it: npm install ${name}`, error);
  }
}

function remedyFor(path: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return 'compile it to JavaScript, or give Node a loader of TypeScript';
  const isScript = error instanceof SyntaxError && path.endsWith('.ts');
  if (isScript) return 'correct it, or name it .mts where no package.json beside it says "type": "module"';
  return 'correct the module, or install what it imports';
}

/** The default export; of a module that was compiled to CommonJS, that of the exports that it became. */
function defaultOf(module: Readonly<Record<string, unknown>>): unknown {
  const own = module['default'];
  const isWrapped = typeof own === 'object' && own !== null && '__esModule' in own && 'default' in own;
  return isWrapped ? own.default : own;
}

/** What is wrong with a default export, as what was expected, what came, and what to do. */
function problemOf(value: unknown): [expected: string, received: string, remedy: string] | undefined {
  const shape = 'export default { name, options, needs, create }; docs/extend.md has an example of each kind';
  if (value === undefined) return ['a default export', 'none', shape];
  if (typeof value !== 'object' || value === null) return ['an object as default export', `a ${typeof value}`, shape];
  const { name, options, create } = value as Partial<Record<keyof Definition, unknown>>;
  if (typeof name !== 'string' || !/^[\w.+-]{1,100}$/.test(name)) {
    return ['a name of letters, digits, "-", "_", "." and "+"', JSON.stringify(name) ?? 'none', shape];
  }
  if (typeof create !== 'function')
    return [`a function "create" of "${name}"`, create === undefined ? 'nothing' : `a ${typeof create}`, shape];
  if (options !== undefined && !(options instanceof z.ZodObject)) {
    const received = typeof options === 'object' ? 'another object' : `a ${typeof options}`;
    return [`zod's object schema as "options" of "${name}"`, received, 'write options: z.strictObject({ … })'];
  }
  return undefined;
}
