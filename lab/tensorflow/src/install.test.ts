import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { assertBuildIntact, readInstalledBuild, type BindingPackage, type InstalledBuild } from '@drf/engine';
import { UnavailableError } from '@drf/tensor';
import { runCommand } from '@drf/terminal';
import { checkBuild, type Tools } from './tools.js';
import { install, type InstallRequest, type Source } from './install.js';
import { COMPILER, failed, fakeRun, fakeTools, MISSING, PYTHON, succeeded, useFolder } from './testing/fake-tools.js';
import { writeFakeWheel } from './testing/fake-wheel.js';

const folder = useFolder();
const root = (): string => join(folder(), 'root');
const request = (source: Source, device: 'cpu' | 'gpu' = 'cpu'): InstallRequest => ({ source, device, root: root() });
const installed = (): InstalledBuild => readInstalledBuild(root()) as InstalledBuild;

let binding: BindingPackage;
let wheel: string;
beforeEach(async () => {
  binding = { name: '@tensorflow/tfjs-node-gpu', version: '4.22.0', folder: join(folder(), 'package') };
  wheel = join(folder(), 'tensorflow_cpu-2.20.0-cp312-cp312-manylinux_2_17_x86_64.whl');
  await writePackage('process.exit(0)');
  await writeFakeWheel(wheel);
});

/** A package with the binding, whose install script is the given one. */
async function writePackage(script: string): Promise<void> {
  const preGyp = join(binding.folder, 'node_modules', '@mapbox', 'node-pre-gyp');
  for (const path of [join(binding.folder, 'binding'), join(binding.folder, 'scripts'), preGyp]) {
    await mkdir(path, { recursive: true });
  }
  await writeFile(join(preGyp, 'package.json'), '{}');
  await writeFile(join(binding.folder, 'package.json'), JSON.stringify({ name: binding.name, type: 'commonjs' }));
  await writeFile(join(binding.folder, 'binding.gyp'), '{}');
  await writeFile(join(binding.folder, 'binding', 'a.cc'), '');
  await writeFile(join(binding.folder, 'scripts', 'install.js'), script);
}

const tools = (changes: Partial<Tools> = {}): ReturnType<typeof fakeTools> =>
  fakeTools({ findBinding: () => binding, ...changes });

describe('install from a wheel', () => {
  it('builds, checks, records and puts in use', async () => {
    let checkedIn = '';
    const machine = tools({
      check: async (place) => {
        checkedIn = place;
        expect(readInstalledBuild(place)).toMatchObject({ source: 'wheel', addon: 'tfjs_binding.node' });
        return { tensorflow: '2.20.0', gpu: false, gflops: 42 };
      },
    });
    const result = await install(request({ kind: 'file', path: wheel }), machine);
    expect(result).toMatchObject({ tensorflow: '2.20.0', gpu: false, gflops: 42, folder: join(root(), '2.20.0-cpu') });
    const build = installed();
    expect(build).toMatchObject({
      device: 'cpu',
      binding: '@tensorflow/tfjs-node-gpu 4.22.0',
      compiler: 'c++ (fake) 12.2.0',
      tensorflow: '2.20.0',
      wheel: { name: 'tensorflow_cpu-2.20.0-cp312-cp312-manylinux_2_17_x86_64.whl', known: false },
    });
    expect(build.files.map((file) => file.path)).toEqual([
      'tensorflow/libtensorflow_cc.so.2',
      'tensorflow/libtensorflow_framework.so.2',
      'tfjs_binding.node',
    ]);
    expect(assertBuildIntact(build, 'linux-x64')).toBe(join(result.folder, 'tfjs_binding.node'));
    expect(existsSync(join(result.folder, 'tensorflow', 'include'))).toBe(false);
    expect(existsSync(checkedIn)).toBe(false);
    expect(existsSync(wheel)).toBe(true); // it is the user's
    expect(machine.said.join('\n')).toMatch(/is not among the wheels that were tried \(SHA-256 [0-9a-f]{64}\)/);
  });

  it('replaces the same version and keeps others', async () => {
    await install(request({ kind: 'file', path: wheel }), tools());
    const newer = tools({ check: async () => ({ tensorflow: '2.21.0', gpu: false, gflops: 50 }) });
    await install(request({ kind: 'file', path: wheel }), newer);
    await install(request({ kind: 'file', path: wheel }), newer);
    expect((await readdir(root())).sort()).toEqual(['2.20.0-cpu', '2.21.0-cpu', 'current.json']);
    expect(installed().tensorflow).toBe('2.21.0');
  });

  it('leaves what worked in use when the new build does not compute', async () => {
    await install(request({ kind: 'file', path: wheel }), tools());
    const before = installed();
    const broken = tools({
      check: (place) => checkBuild(fakeRun({ [process.execPath]: failed('Illegal instruction') }), place),
    });
    await expect(install(request({ kind: 'file', path: wheel }), broken)).rejects.toThrow(
      /The built TensorFlow expected to load and to compute, received Illegal instruction; it was not put in use/,
    );
    expect(installed()).toEqual(before);
    expect((await readdir(root())).sort()).toEqual(['2.20.0-cpu', 'current.json']);
  });

  it('removes what a killed installation left, not what one at work uses', async () => {
    const ended = await runCommand(process.execPath, ['-p', 'process.pid']);
    await mkdir(join(root(), `.building-${ended.stdout.trim()}`, 'build'), { recursive: true });
    await mkdir(join(root(), `.building-${process.ppid}`), { recursive: true });
    await install(request({ kind: 'file', path: wheel }), tools());
    expect((await readdir(root())).sort()).toEqual([`.building-${process.ppid}`, '2.20.0-cpu', 'current.json']);
  });

  it.each([
    [
      'no such file',
      { changes: {}, path: 'absent.whl' },
      /--from-wheel expected a wheel .*, received .*absent\.whl, which is no file/,
    ],
    [
      'no compiler',
      { changes: { run: fakeRun({ python3: PYTHON }) } },
      /expected a C\+\+ compiler, received no working/,
    ],
    [
      'no room',
      { changes: { free: async () => 10 } },
      /The disk of .* expected 0\.0 GB free, received 0\.0 GB; free some/,
    ],
    [
      'no binding',
      { changes: { findBinding: () => undefined } },
      /expected the npm package @tensorflow\/tfjs-node-gpu or/,
    ],
    [
      'no library for the platform',
      { changes: { platformName: 'win32-x64' } },
      /received win32-x64; try "pnpm tensorflow:install --prebuilt"/,
    ],
  ] as const)('says that there is %s', async (_name, { changes, ...given }, message) => {
    const path = 'path' in given ? join(folder(), given.path) : wheel;
    await expect(install(request({ kind: 'file', path }), tools(changes))).rejects.toThrow(message);
    expect(readInstalledBuild(root())).toBeUndefined();
  });

  it('says that the folder cannot be written', async () => {
    await writeFile(root(), 'a file');
    await expect(install(request({ kind: 'file', path: wheel }), tools())).rejects.toThrow(
      /Writing .*root expected a folder with room and permission, received (EEXIST|ENOTDIR)/,
    );
  });

  it('fetches the CUDA libraries that a wheel wants beside it', async () => {
    await writeFakeWheel(wheel, {
      project: 'tensorflow',
      metadata: 'Requires-Dist: nvidia-cublas-cu12>=12; extra == "and-cuda"\n',
    });
    const pip = fakeRun({
      'c++': COMPILER,
      python3: async (args) => {
        if (!args.includes('install')) return succeeded('pip 25.0 from somewhere');
        const place = join(args[args.indexOf('--target') + 1] as string, 'nvidia', 'cublas', 'lib');
        await mkdir(place, { recursive: true });
        await writeFile(join(place, 'libcublas.so.12'), 'cublas');
        return succeeded();
      },
    });
    const { folder: place } = await install(request({ kind: 'file', path: wheel }, 'gpu'), tools({ run: pip }));
    expect(place).toBe(join(root(), '2.20.0-gpu'));
    expect(installed().files.map((file) => file.path)).toContain('nvidia/cublas/lib/libcublas.so.12');
    expect(pip.calls.find((call) => call.includes('--target'))).toMatch(/--no-deps .* nvidia-cublas-cu12>=12$/);
  });
});

describe('install from the package index', () => {
  const name = 'tensorflow_cpu-2.20.0-cp312-cp312-manylinux_2_17_x86_64.whl';

  function index(content: Uint8Array): typeof fetch {
    const files = [{ filename: name, url: `https://files.example/${name}`, hashes: {}, size: content.length }];
    return async (address) =>
      String(address).startsWith('https://index.example/simple/tensorflow-cpu/')
        ? new Response(JSON.stringify({ files }), { headers: { 'content-type': 'application/json' } })
        : new Response(new Uint8Array(content), { headers: { 'content-length': String(content.length) } });
  }

  it('downloads the wheel from the index that pip knows, and deletes it afterwards', async () => {
    const get = index(await readFile(wheel));
    const source: Source = { kind: 'index', version: '2.20.0' };
    await install(request(source), tools({ get }));
    expect(installed().wheel?.name).toBe(name);
    expect(await readdir(join(root(), 'downloads'))).toEqual([]);
    await install({ ...request(source), keepWheel: true }, tools({ get }));
    expect(await readdir(join(root(), 'downloads'))).toEqual([name]);
  });

  it('lets pip download where this program cannot', async () => {
    const pip = fakeRun({
      'c++': COMPILER,
      python3: async (args) => {
        if (!args.includes('--dest')) return (PYTHON as (a: readonly string[]) => ReturnType<typeof succeeded>)(args);
        await writeFile(join(args[args.indexOf('--dest') + 1] as string, name), await readFile(wheel));
        return succeeded(`Collecting …\nSaved ./downloads/${name}\nSuccessfully downloaded`);
      },
    });
    const machine = tools({ run: pip });
    await install(request({ kind: 'index', version: '2.20.0' }), machine);
    expect(installed().wheel?.name).toBe(name);
    expect(machine.said.join('\n')).toMatch(/fetch failed: getaddrinfo ENOTFOUND index\.example\. Asking pip instead/);
  });

  it('says that the network is down when pip fails, too', async () => {
    const error = await install(request({ kind: 'index', version: '2.20.0' }), tools()).catch((e: Error) => e);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain(
      'Fetching tensorflow-cpu 2.20.0 expected the package index to be reachable, received fetch failed: getaddrinfo ENOTFOUND index.example; check the network',
    );
  });
});

describe('install by the package’s own script', () => {
  const WRITES = `
    const fs = require('fs');
    fs.mkdirSync('lib/napi-v8', { recursive: true });
    fs.writeFileSync('lib/napi-v8/tfjs_binding.node', 'addon for ' + process.argv[2]);
    fs.writeFileSync('package.json', '{"changed": true}');`;

  it('runs it in a copy, so that the package stays as it is', async () => {
    await writePackage(WRITES);
    const before = await readFile(join(binding.folder, 'package.json'), 'utf8');
    const machine = tools({ run: runCommand, check: async () => ({ tensorflow: '2.9.1', gpu: false, gflops: 9 }) });
    const { folder: place } = await install(request({ kind: 'prebuilt' }), machine);
    expect(place).toBe(join(root(), '2.9.1-cpu-prebuilt'));
    expect(installed()).toMatchObject({
      source: 'prebuilt',
      wheel: null,
      addon: 'package/lib/napi-v8/tfjs_binding.node',
    });
    expect(await readFile(assertBuildIntact(installed(), 'linux-x64'), 'utf8')).toBe('addon for cpu');
    expect(await readFile(join(binding.folder, 'package.json'), 'utf8')).toBe(before);
    expect(existsSync(join(binding.folder, 'lib'))).toBe(false);
  });

  it('says why the script failed', async () => {
    await writePackage('throw new Error("getaddrinfo ENOTFOUND storage.example")');
    await expect(install(request({ kind: 'prebuilt' }), tools({ run: runCommand }))).rejects.toThrow(
      /The install script of @tensorflow\/tfjs-node-gpu 4\.22\.0 expected to fetch its library and addon, received Error: getaddrinfo ENOTFOUND storage\.example; its storage must be reachable; or build/,
    );
  });

  it('is the second choice when no source was named', async () => {
    await writePackage(WRITES);
    const run: Tools['run'] = (command, ...rest) =>
      command === process.execPath ? runCommand(command, ...rest) : Promise.resolve(MISSING);
    const machine = tools({ run });
    await install(request({ kind: 'automatic' }), machine);
    expect(installed().source).toBe('prebuilt');
    expect(machine.said.join('\n')).toMatch(
      /expected a C\+\+ compiler.*\.\nTrying the binding's own download instead/s,
    );
    await rm(root(), { recursive: true });
    await writePackage('throw new Error("ENOTFOUND storage.example")');
    await expect(install(request({ kind: 'automatic' }), machine)).rejects.toThrow(
      /expected a wheel to build against, or the binding’s own download, received Building .*: no working .* \| The install script .*ENOTFOUND storage\.example.*; install one \("apt-get.*until then the engine "compiled"/s,
    );
  });
});
