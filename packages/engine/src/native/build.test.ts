import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, UnavailableError } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertBuildIntact, type InstalledBuild, type NativeBuild, nativeFolder, readInstalledBuild } from './build.js';
import { bindingPackage, hasNativeLibrary, loadNativeTensorFlow, NATIVE_PACKAGES, nativeMayUseGpu } from './load.js';

it('is what the variable names, else lies in the user’s cache folder', () => {
  expect(nativeFolder({ DRF_TENSORFLOW_FOLDER: '/somewhere', XDG_CACHE_HOME: '/cache' }, '/home/me')).toBe(
    '/somewhere',
  );
  expect(nativeFolder({ DRF_TENSORFLOW_FOLDER: '', XDG_CACHE_HOME: '/cache' }, '/home/me')).toBe(
    '/cache/drf/tensorflow',
  );
  expect(nativeFolder({}, '/home/me')).toBe('/home/me/.cache/drf/tensorflow');
});

let root: string;
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'drf-native-'))));
afterEach(() => rm(root, { recursive: true }));

const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');

const RECORD: NativeBuild = {
  format: 1,
  source: 'wheel',
  device: 'cpu',
  tensorflow: '2.20.0',
  binding: '@tensorflow/tfjs-node-gpu 4.22.0',
  platform: `${process.platform}-${process.arch}`,
  compiler: 'c++ 12',
  wheel: null,
  addon: 'addon.node',
  files: [{ path: 'addon.node', bytes: 5, sha256: sha256('addon') }],
};

async function write(record: object | string, current: unknown = { build: '2.20.0-cpu' }): Promise<void> {
  const folder = join(root, '2.20.0-cpu');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'addon.node'), 'addon');
  await writeFile(join(folder, 'build.json'), typeof record === 'string' ? record : JSON.stringify(record));
  await writeFile(join(root, 'current.json'), JSON.stringify(current));
}

describe('readInstalledBuild', () => {
  it('gives nothing where nothing was installed', () => {
    expect(readInstalledBuild(root)).toBeUndefined();
    expect(readInstalledBuild(join(root, 'absent'))).toBeUndefined();
  });

  it('gives the record and its folder', async () => {
    await write(RECORD);
    expect(readInstalledBuild(root)).toEqual({ ...RECORD, folder: join(root, '2.20.0-cpu') });
  });

  it.each([
    ['{', /build\.json, expected a readable record, received .*JSON/],
    [{ ...RECORD, format: 2 }, /expected format 1, received format 2; run pnpm tensorflow:install again/],
    [{ ...RECORD, device: undefined }, /expected a complete record, received one without device/],
    [{ ...RECORD, files: [{ path: 'addon.node' }] }, /expected a complete record, received one without files/],
    [
      { ...RECORD, files: [...RECORD.files, { path: '../outside', bytes: 1, sha256: sha256('') }] },
      /expected files inside its folder, received "\.\.\/outside"/,
    ],
    [{ ...RECORD, addon: 'another.node' }, /expected the addon among its files, received none/],
  ])('says what is wrong with a damaged record', async (record, message) => {
    await write(record);
    expect(() => readInstalledBuild(root)).toThrow(DataError);
    expect(() => readInstalledBuild(root)).toThrow(message);
  });

  it.each([{ build: '../elsewhere' }, { build: '..' }, {}, { build: 3 }])(
    'refuses a current build %j',
    async (current) => {
      await write(RECORD, current);
      expect(() => readInstalledBuild(root)).toThrow(/current\.json, expected the name of a build, received/);
    },
  );
});

describe('assertBuildIntact', () => {
  const read = (): InstalledBuild => readInstalledBuild(root) as InstalledBuild;

  it('gives the addon of a whole build', async () => {
    await write(RECORD);
    expect(assertBuildIntact(read())).toBe(join(root, '2.20.0-cpu', 'addon.node'));
  });

  it('names what differs', async () => {
    await write(RECORD);
    expect(() => assertBuildIntact(read(), 'plan9-mips')).toThrow(/expected a build for plan9-mips, received one for/);
    await writeFile(join(root, '2.20.0-cpu', 'addon.node'), 'nodda');
    expect(() => assertBuildIntact(read())).toThrow(`addon.node, expected SHA-256 ${sha256('addon')}, received`);
    await writeFile(join(root, '2.20.0-cpu', 'addon.node'), 'short and long');
    expect(() => assertBuildIntact(read())).toThrow(/addon\.node, expected 5 bytes, received 14 bytes/);
    await rm(join(root, '2.20.0-cpu', 'addon.node'));
    expect(() => assertBuildIntact(read())).toThrow(/expected 5 bytes, received no such file; run pnpm tensorflow/);
  });
});

function hasLibrary(name: string): boolean {
  const found = bindingPackage(name);
  return found !== undefined && hasNativeLibrary(found);
}

describe('nativeMayUseGpu', () => {
  const mayUse = (packages: readonly string[] = []): boolean => nativeMayUseGpu({ folder: root, packages });

  it('knows a build for the CPU without loading it', async () => {
    expect(mayUse()).toBe(false);
    await write(RECORD);
    expect(mayUse()).toBe(false);
    await write({ ...RECORD, device: 'gpu' });
    expect(mayUse()).toBe(true);
    await write('{');
    expect(mayUse()).toBe(true);
  });

  it('expects nothing of packages whose library was never fetched', async () => {
    const [name] = NATIVE_PACKAGES;
    expect(mayUse(['@example/absent'])).toBe(false);
    expect(mayUse([name])).toBe(hasLibrary(name));
    const folder = join(root, 'package');
    const found = { name, version: '4.22.0', folder };
    expect(hasNativeLibrary(found)).toBe(false);
    await mkdir(join(folder, 'lib', 'napi-v8'), { recursive: true });
    expect(hasNativeLibrary(found)).toBe(false);
    await writeFile(join(folder, 'lib', 'napi-v8', 'tfjs_binding.node'), '');
    expect(hasNativeLibrary(found)).toBe(true);
  });
});

describe('loadNativeTensorFlow', () => {
  const load = (packages: readonly string[]): Promise<Error> =>
    loadNativeTensorFlow({ folder: root, packages }).then(
      () => new Error('it loaded'),
      (error: Error) => error,
    );

  it('says for each place why nothing loaded from it, and what to do', async () => {
    const error = await load(['@example/absent']);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(
      /expected a native TensorFlow, received no build in .* \| @example\/absent is not installed; run/,
    );
    expect(error.message).toMatch(/run pnpm tensorflow:install, or use the engine "compiled"/);
  });

  it('does not import a package without its library, which would register its kernels', async () => {
    const lacking = NATIVE_PACKAGES.filter((name) => bindingPackage(name) !== undefined && !hasLibrary(name));
    const before = tf.getKernelsForBackend('tensorflow').length;
    const { message } = await load(lacking);
    for (const name of lacking) expect(message).toContain(`${name} lacks its native library`);
    expect(tf.getKernelsForBackend('tensorflow')).toHaveLength(before);
  });

  it('says when a build is damaged, does not load, or lacks its kernels', async () => {
    await write('{');
    expect((await load(['@example/absent'])).message).toMatch(/received Native TensorFlow, .*a readable record/);
    await write(RECORD);
    expect((await load(['@example/absent'])).message).toMatch(/received none of @example\/absent is installed/);
    expect((await load(['@tensorflow/tfjs-node-gpu'])).message).toMatch(/addon\.node: (file too short|invalid ELF)/);
  });
});
