import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type BindingPackage,
  BUILD_FILE,
  CURRENT_FILE,
  type NativeBuild,
  type NativeFile,
  type NativeMeasurement,
} from '@drf/engine';
import { writeJsonAtomic } from '@drf/files';
import { DrfError, UnavailableError } from '@drf/tensor';
import { ADDON, compileBinding, type Compiler, findCompiler } from './compile.js';
import { installCudaLibraries } from './python.js';
import { fileSha256 } from './download.js';
import { type Device, isKnownWheel, type Platform, RECOMMENDED_VERSION, wheelPlatform } from './platform.js';
import { installPrebuilt } from './prebuilt.js';
import { assertRoom, diskError, type Tools } from './tools.js';
import { type WheelFile, wheelFromFile, wheelFromIndex } from './wheel-source.js';
import { assertLibrary, neededFiles, openWheel, unpack, unpackedBytes } from './wheel.js';

/** Where the library is to come from; `automatic` tries the recommended wheel, then the binding's own download. */
export type Source =
  | { readonly kind: 'automatic' }
  | { readonly kind: 'prebuilt' }
  | { readonly kind: 'index'; readonly version: string }
  | { readonly kind: 'file'; readonly path: string };

export interface InstallRequest {
  readonly source: Source;
  readonly device: Device;
  /** Folder of all builds. */
  readonly root: string;
  /** Keeps a fetched wheel. */
  readonly keepWheel?: boolean;
}

export interface Installed extends NativeMeasurement {
  readonly build: NativeBuild;
  readonly folder: string;
}

/** A build before it is checked: everything of its record but what the check finds. */
type Draft = Omit<NativeBuild, 'tensorflow' | 'files' | 'format' | 'platform'>;

const STAGING = '.building-';

/**
 * Builds native TensorFlow beside the builds that there are, checks that the engine computes on it, and only then makes
 * it the current one: whatever fails, what worked before still works.
 * @throws UnavailableError for what this machine lacks, DataError for a wheel that cannot be used or a full disk
 */
export async function install(request: InstallRequest, tools: Tools): Promise<Installed> {
  const binding = tools.findBinding();
  if (binding === undefined) {
    throw new UnavailableError({
      subject: 'Installing native TensorFlow',
      expected: 'the npm package @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node, which holds the binding',
      received: 'neither',
      remedy: 'run "pnpm install" with optional dependencies',
    });
  }
  const staging = join(request.root, `${STAGING}${process.pid}`);
  await prepareFolders(request.root, staging);
  try {
    const name = 'build';
    const draft = await make(request, binding, join(staging, name), tools);
    return await finish(request.root, staging, name, draft, tools);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** What an installation that was killed left behind is removed; one that still runs keeps its folder. */
async function prepareFolders(root: string, staging: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true });
    for (const name of await readdir(root)) {
      if (name.startsWith(STAGING) && !isRunning(Number(name.slice(STAGING.length)))) {
        await rm(join(root, name), { recursive: true, force: true });
      }
    }
    await rm(staging, { recursive: true, force: true });
    await mkdir(join(staging, 'build'), { recursive: true });
  } catch (error) {
    throw diskError(root, error);
  }
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return processId !== process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function make(request: InstallRequest, binding: BindingPackage, folder: string, tools: Tools): Promise<Draft> {
  const { source, device } = request;
  const prebuilt = async (): Promise<Draft> => ({
    source: 'prebuilt',
    device,
    binding: `${binding.name} ${binding.version}`,
    compiler: null,
    wheel: null,
    addon: await installPrebuilt(binding, device, folder, tools),
  });
  if (source.kind === 'prebuilt') return prebuilt();
  if (source.kind !== 'automatic') return makeFromWheel(request, binding, folder, tools);
  try {
    return await makeFromWheel(request, binding, folder, tools);
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    tools.say(`${error.message}.\nTrying the binding's own download instead …`);
    return await prebuilt().catch((second: unknown) => {
      throw second instanceof DrfError ? neither(error, second) : second;
    });
  }
}

function neither(first: DrfError, second: DrfError): UnavailableError {
  const short = ({ report }: DrfError): string => `${report.subject}: ${report.received}`;
  return new UnavailableError(
    {
      subject: 'Installing native TensorFlow',
      expected: 'a wheel to build against, or the binding’s own download',
      received: `${short(first)} | ${short(second)}`,
      remedy: `${first.report.remedy ?? second.report.remedy}; until then the engine "compiled" needs nothing beyond npm`,
    },
    { cause: first },
  );
}

async function makeFromWheel(
  request: InstallRequest,
  binding: BindingPackage,
  folder: string,
  tools: Tools,
): Promise<Draft> {
  const platform = wheelPlatform(tools.platformName);
  const compiler = await findCompiler(tools.run); // before a long download
  const wheel = await obtainWheel(request, platform, tools);
  await unpackAndCompile({ wheel, binding, platform, compiler, folder, device: request.device }, tools);
  if (wheel.fetched && request.keepWheel !== true) await rm(wheel.path, { force: true });
  const known = isKnownWheel(wheel.sha256);
  if (!known) tools.say(`${basename(wheel.path)} is not among the wheels that were tried (SHA-256 ${wheel.sha256}).`);
  return {
    source: 'wheel',
    device: request.device,
    binding: `${binding.name} ${binding.version}`,
    compiler: compiler.version,
    wheel: { name: basename(wheel.path), sha256: wheel.sha256, known },
    addon: ADDON,
  };
}

function obtainWheel({ source, device, root }: InstallRequest, platform: Platform, tools: Tools): Promise<WheelFile> {
  if (source.kind === 'file') return wheelFromFile(source.path, tools);
  const version = source.kind === 'index' ? source.version : RECOMMENDED_VERSION;
  return wheelFromIndex({ version, device, platform, folder: join(root, 'downloads') }, tools);
}

interface BuildTask {
  readonly wheel: WheelFile;
  readonly binding: BindingPackage;
  readonly platform: Platform;
  readonly compiler: Compiler;
  readonly folder: string;
  readonly device: Device;
}

async function unpackAndCompile(task: BuildTask, tools: Tools): Promise<void> {
  const { platform, compiler, folder, device } = task;
  const { signal, silent } = tools;
  const wheel = await openWheel(task.wheel.path);
  try {
    assertLibrary(wheel, platform);
    const entries = neededFiles(wheel, platform);
    await assertRoom(folder, unpackedBytes(entries), tools.free);
    tools.say(`Unpacking TensorFlow ${wheel.version} …`);
    await unpack(wheel, entries, folder, { signal, silent });
  } finally {
    wheel.zip.close();
  }
  if (device === 'gpu') await installCudaLibraries(wheel.cudaRequirements, folder, tools);
  tools.say(`Compiling the binding with ${compiler.version} …`);
  await compileBinding(tools.run, compiler, { binding: task.binding, platform, folder }, signal);
  await rm(join(folder, 'tensorflow', 'include'), { recursive: true, force: true });
}

/** Records and checks the build in the staging folder, then moves it to its place. */
async function finish(root: string, staging: string, name: string, draft: Draft, tools: Tools): Promise<Installed> {
  const folder = join(staging, name);
  tools.say('Checking that the engine computes on it …');
  const files = await recordFiles(folder);
  const record = (tensorflow: string): NativeBuild => ({
    format: 1,
    ...draft,
    tensorflow,
    platform: tools.platformName,
    files,
  });
  await writeJsonAtomic(join(folder, BUILD_FILE), record('not known yet'));
  await writeJsonAtomic(join(staging, CURRENT_FILE), { build: name });
  const checked = await tools.check(staging);
  const build = record(checked.tensorflow);
  await writeJsonAtomic(join(folder, BUILD_FILE), build);
  const place = `${checked.tensorflow}-${draft.device}${draft.source === 'prebuilt' ? '-prebuilt' : ''}`;
  try {
    await rm(join(root, place), { recursive: true, force: true });
    await rename(folder, join(root, place));
  } catch (error) {
    throw diskError(join(root, place), error);
  }
  await writeJsonAtomic(join(root, CURRENT_FILE), { build: place });
  return { ...checked, build, folder: join(root, place) };
}

/** What a build loads: the addon and every shared library beside it. */
async function recordFiles(folder: string): Promise<NativeFile[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) =>
    /\.(node|dll|dylib|so(\.\d+)*)$/.test(name),
  );
  const files: NativeFile[] = [];
  for (const name of names.sort()) {
    const path = join(folder, name);
    const stats = await lstat(path);
    if (!stats.isFile()) continue; // links lead to other files of the build
    files.push({ path: name.replaceAll('\\', '/'), bytes: stats.size, sha256: await fileSha256(path) });
  }
  return files;
}

/** Wheels that this program fetches. */
const DOWNLOAD = /^tensorflow(_cpu)?-.*\.whl(\.part)?$/;

/**
 * Deletes the builds and downloads in a folder, and nothing that this program did not make.
 * @returns what was deleted
 */
export async function removeBuilds(root: string): Promise<string[]> {
  const names = await readdir(root).catch(() => []);
  const builds = names.map((name) => join(root, name)).filter((path) => existsSync(join(path, BUILD_FILE)));
  const downloads = join(root, 'downloads');
  const wheels = (await readdir(downloads).catch(() => [])).filter((name) => DOWNLOAD.test(name));
  const own = [join(root, CURRENT_FILE), ...builds, ...wheels.map((name) => join(downloads, name))].filter(existsSync);
  for (const path of own) await rm(path, { recursive: true, force: true });
  if (own.length > 0) await rmdir(downloads).catch(() => undefined); // kept when it holds something else
  return own;
}
