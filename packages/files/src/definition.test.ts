import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ownDefinition } from '@drf/tensor';
import { isModulePath, loadDefinition, parseDefinitionOptions, parseOptions, type Definition } from './index.js';

let folder = '';

const BLUR = `import { z } from 'zod';
export default {
  name: 'blur',
  options: z.object({ radius: z.number().positive().default(2), kernel: z.enum(['box', 'gauss']).default('box') }),
  create: ({ radius, kernel }, size) => ({ radius, kernel, size }),
};`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-definition-'));
  const zod = dirname(createRequire(import.meta.url).resolve('zod/package.json'));
  const own = join(folder, 'node_modules', 'drf-blur');
  await mkdir(own, { recursive: true });
  await symlink(zod, join(folder, 'node_modules', 'zod'), 'dir');
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  await writeFile(join(folder, 'blur.mjs'), BLUR);
  const exportsOf = { name: 'drf-blur', version: '1.0.0', exports: { '.': { import: './index.mjs' } } };
  await writeFile(join(own, 'package.json'), JSON.stringify(exportsOf));
  await writeFile(join(own, 'index.mjs'), BLUR);
});

afterAll(() => rm(folder, { recursive: true }));

describe('isModulePath', () => {
  it.each(['./my-method.ts', 'method.mjs', '/a/b.cjs', '../x.mts', 'package:drf-blur', 'package:@me/blur'])(
    '%s',
    (text) => {
      expect(isModulePath(text)).toBe(true);
    },
  );

  it.each(['drf', 'embedded', 'google/vit-base', './folder', 'huggingface:x', 'posts.csv'])('not %s', (text) => {
    expect(isModulePath(text)).toBe(false);
  });
});

describe('loadDefinition', () => {
  type Blur = Definition<z.ZodObject, unknown, [size: number], unknown>;

  it('loads a file and a package, which the hash of their content identifies', async () => {
    const { definition, id, parseOptions: parse } = await loadDefinition<Blur>('./blur.mjs', 'disruption', folder);
    expect(id).toMatch(/^blur@[0-9a-f]{12}$/);
    expect(definition.create(parse({ radius: '3' }), 8)).toEqual({ radius: 3, kernel: 'box', size: 8 });
    expect((await loadDefinition<Blur>('package:drf-blur', 'disruption', folder)).id).toBe(id);
  });

  it('makes it known to the process, which runs nothing but what the user named', async () => {
    const { id, definition } = await loadDefinition('./blur.mjs', 'disruption', folder);
    expect(ownDefinition(id, 'disruption').definition).toBe(definition);
    expect(ownDefinition('./blur.mjs', 'disruption').definition).toBe(definition);
    expect(() => ownDefinition('blur@000000000000', 'disruption')).toThrow(
      `Own disruption blur@000000000000 expected its module to be named, received ${id}, of another content; name it`,
    );
    const refused = await Promise.resolve().then(() => ownDefinition('x@000000000000', 'method')).catch((error: unknown) => error); // prettier-ignore
    expect(refused).toMatchObject({ code: 'own-definition-needed' });
  });

  it.each([
    ['export const name = 1;', 'expected a default export, received none; export default { name,'],
    ['export default 3;', 'expected an object as default export, received a number'],
    ['export default { create() {} };', 'received none; export default'],
    ['export default { name: "a b", create() {} };', 'expected a name of letters, digits, "-", "_", "." and "+", received "a b"'], // prettier-ignore
    ['export default { name: "a" };', 'expected a function "create" of "a", received nothing'],
    ['export default { name: "a", options: {}, create() {} };', 'expected zod\'s object schema as "options" of "a"'],
    ['throw new Error("no luck");', 'expected a module that loads, received no luck'],
    ['import "absent-package";', 'correct the module, or install what it imports'],
  ])('refuses %s', async (text, message) => {
    const path = join(folder, `${Math.abs(Buffer.from(text).reduce((sum, byte) => (sum * 31 + byte) | 0, 7))}.mjs`);
    await writeFile(path, text);
    await expect(loadDefinition(path, 'method')).rejects.toThrow(message);
    await expect(loadDefinition(path, 'method')).rejects.toThrow(`Own method ${path} expected`);
  });

  it('refuses what is not there', async () => {
    await expect(loadDefinition('./absent.mjs', 'method', folder)).rejects.toThrow('a readable file, received ENOENT');
    await expect(loadDefinition('package:absent', 'encoder', folder)).rejects.toThrow('npm install absent');
  });
});

describe('options', () => {
  const definition = { name: 'blur', options: z.object({ radius: z.number().positive().default(2), sizes: z.array(z.number()).optional(), soft: z.boolean().default(false) }) }; // prettier-ignore

  it('take their defaults, and texts by their types', () => {
    expect(parseDefinitionOptions(definition, {})).toEqual({ radius: 2, soft: false });
    expect(parseDefinitionOptions(definition, { radius: '0.5', sizes: '3,4', soft: 'true' })).toEqual({
      radius: 0.5,
      sizes: [3, 4],
      soft: true,
    });
    expect(parseDefinitionOptions({ name: 'plain' }, {})).toEqual({});
  });

  it('are refused by name', () => {
    expect(() => parseDefinitionOptions(definition, { radios: 3 })).toThrow(
      'Options of blur expected known options, received "radios"; did you mean "radius"?',
    );
    expect(() => parseDefinitionOptions(definition, { radius: 'wide' })).toThrow(
      'Options of blur, option "radius" expected a number, received "wide"',
    );
    expect(() => parseDefinitionOptions(definition, { radius: -1 }, 'blur.ts')).toThrow(
      'blur.ts, option "radius" expected at least 0 (exclusive), received -1',
    );
    expect(() => parseDefinitionOptions({ name: 'plain' }, { a: 1 })).toThrow('received "a"');
    const nested = z.strictObject({ group: z.strictObject({ width: z.int().max(4) }).optional() });
    expect(() => parseOptions(nested, { group: { width: 3, wdth: 3 } }, 'x')).toThrow(
      'x expected known options in "group", received "group.wdth"; did you mean "width"?',
    );
    expect(() => parseOptions(nested, { group: { width: 9 } }, 'x')).toThrow('option "group.width" expected at most 4');
  });
});
