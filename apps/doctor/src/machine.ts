import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, open, readdir, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, homedir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { loadMpi } from '@drf/collective';
import { createEngine, engineProbe, NATIVE_PROBE, productRate, readEngineProbe, readNativeProbe } from '@drf/engine';
import { chooseProvider, installedProviders } from '@drf/onnx';
import { UnavailableError, type EngineName, type ExecutionProvider } from '@drf/tensor';
import { findProgram, lastLines, runCommand, type RunCommand } from '@drf/terminal';

export interface MeasuredEngine {
  readonly gflops: number;
  /** Of the library below it, where it says. */
  readonly version?: string;
  readonly gpu?: boolean;
}

/** Everything through which the probes look at the machine; tests put in their own. */
export interface Machine {
  readonly environment: NodeJS.ProcessEnv;
  readonly nodeVersion: string;
  /** `linux-x64` */
  readonly platform: string;
  /** Cores as the operating system counts them for this process. */
  readonly cores: number;
  readonly totalMemory: number;
  readonly freeMemory: number;
  readonly home: string;
  /** Where runs are written. */
  readonly workingFolder: string;
  readonly run: RunCommand;
  /** A small text file; nothing when it cannot be read. */
  readonly readText: (path: string) => Promise<string | undefined>;
  /** Bytes free for this user where a folder is or would be made. */
  readonly freeBytes: (folder: string) => Promise<number | undefined>;
  /** Bytes of all files below a folder; nothing when there is no such folder. `more` says that it was not counted to the end. */
  readonly folderBytes: (folder: string) => Promise<{ readonly bytes: number; readonly more: boolean } | undefined>;
  /** The first of some programs that is on the path. */
  readonly findProgram: (names: readonly string[]) => Promise<string | undefined>;
  /** @throws when the server cannot be reached in time */
  readonly head: (url: string, milliseconds: number) => Promise<number>;
  /** Where models are downloaded from; nothing when it cannot be told. */
  readonly hubEndpoint: () => Promise<string | undefined>;
  /** Loads a package and gives its version. @throws what loading throws */
  readonly loadPackage: (name: string) => Promise<string>;
  /** The MPI library that a training in several processes would call. @throws UnavailableError when there is none */
  readonly mpiLibrary: () => Promise<{ readonly version: string; readonly path: string }>;
  /** @throws UnavailableError when the engine does not work here; NonFiniteError when it computes wrongly */
  readonly measureEngine: (name: EngineName) => Promise<MeasuredEngine>;
  /** The providers that ONNX Runtime was built with. @throws UnavailableError when it does not load */
  readonly providers: () => readonly string[];
  /** The one that the engine `auto` takes. @throws UnavailableError when ONNX Runtime does not load */
  readonly chosenProvider: () => Promise<ExecutionProvider>;
  readonly sha256: (path: string) => Promise<string>;
}

const SMALL_TEXT = 64 * 1024;
const MOST_ENTRIES = 100_000;

async function readText(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(SMALL_TEXT), 0, SMALL_TEXT, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch {
    return undefined; // not there, or not for us: the probes say what that means
  }
}

async function freeBytes(folder: string): Promise<number | undefined> {
  const stats = await statfs(folder).catch(() => undefined);
  if (stats !== undefined) return stats.bavail * stats.bsize;
  return dirname(folder) === folder ? undefined : freeBytes(dirname(folder));
}

async function folderBytes(folder: string): Promise<{ bytes: number; more: boolean } | undefined> {
  const waiting = [folder];
  let bytes = 0;
  for (let entries = 0; waiting.length > 0;) {
    const path = waiting.pop() as string;
    const found = await readdir(path, { withFileTypes: true }).catch(() => undefined);
    if (found === undefined && path === folder) return undefined;
    for (const entry of found ?? []) {
      if (++entries > MOST_ENTRIES) return { bytes, more: true };
      const inner = join(path, entry.name);
      if (entry.isDirectory()) waiting.push(inner);
      else if (entry.isFile())
        bytes += await lstat(inner).then(
          (stats) => stats.size,
          () => 0,
        );
    }
  }
  return { bytes, more: false };
}

async function head(url: string, milliseconds: number): Promise<number> {
  const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(milliseconds) });
  return response.status;
}

async function hubEndpoint(): Promise<string | undefined> {
  const named = process.env['HF_ENDPOINT'];
  if (named !== undefined && named !== '') return named;
  return import('@huggingface/transformers').then(
    ({ env }) => env.remoteHost,
    () => undefined,
  );
}

/** The version of an installed package, whether or not it exports its `package.json`. */
async function packageVersion(name: string): Promise<string> {
  for (let folder = dirname(createRequire(import.meta.url).resolve(name)); ; folder = dirname(folder)) {
    const manifest = JSON.parse((await readText(join(folder, 'package.json'))) ?? '{}') as Record<string, unknown>;
    if (manifest['name'] === name) return String(manifest['version']);
    if (folder === dirname(folder)) return 'of an unknown version';
  }
}

async function loadPackage(name: string): Promise<string> {
  await import(name);
  return packageVersion(name);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function measureNative(): Promise<MeasuredEngine> {
  const result = await runCommand(process.execPath, NATIVE_PROBE, { timeoutMilliseconds: 60_000 });
  const measured = readNativeProbe(result);
  if (measured !== undefined) return { gflops: measured.gflops, version: measured.tensorflow, gpu: measured.gpu };
  throw new UnavailableError({
    subject: 'Engine eager:tensorflow',
    expected: 'to load and to compute',
    received: lastLines(result.stderr || `the process ended with ${result.code ?? 'a signal'}`, 1),
  });
}

async function measureEngine(name: EngineName): Promise<MeasuredEngine> {
  if (name === 'eager:tensorflow') return measureNative();
  if (name.startsWith('compiled:')) {
    const result = await runCommand(process.execPath, engineProbe(name), { timeoutMilliseconds: 60_000 });
    return { gflops: readEngineProbe(name, result) };
  }
  const engine = await createEngine(name);
  try {
    return { gflops: await productRate(engine) };
  } finally {
    await engine.dispose();
  }
}

/** The real machine. */
export function thisMachine(): Machine {
  return {
    environment: process.env,
    nodeVersion: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    totalMemory: totalmem(),
    freeMemory: freemem(),
    home: homedir(),
    workingFolder: process.cwd(),
    run: runCommand,
    readText,
    freeBytes,
    folderBytes,
    findProgram,
    head,
    hubEndpoint,
    loadPackage,
    mpiLibrary: () => loadMpi(),
    measureEngine,
    providers: installedProviders,
    chosenProvider: async () => (await chooseProvider()).provider,
    sha256,
  };
}
