import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { cacheFolder } from '@drf/files';
import { DataError } from '@drf/tensor';
import { spell } from '@drf/terminal';

/** Names another folder for builds of the native library than the user's cache folder. */
export const NATIVE_FOLDER_VARIABLE = 'DRF_TENSORFLOW_FOLDER';

/**
 * Where builds of native TensorFlow live: the folder that `DRF_TENSORFLOW_FOLDER` names, else `tensorflow` in the folder
 * of caches ({@link cacheFolder}).
 */
export function nativeFolder(environment: NodeJS.ProcessEnv = process.env, home: string = homedir()): string {
  const named = environment[NATIVE_FOLDER_VARIABLE];
  if (named !== undefined && named !== '') return resolve(named);
  return join(cacheFolder(environment, home), 'tensorflow');
}

/** A file of a build, as it was when the build was made. */
export interface NativeFile {
  /** Relative to the build's folder, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a build of native TensorFlow is made of: `build.json` in its folder. */
export interface NativeBuild {
  readonly format: 1;
  /** `wheel`: the binding compiled against a wheel's library; `prebuilt`: the binding's own download. */
  readonly source: 'wheel' | 'prebuilt';
  readonly device: 'cpu' | 'gpu';
  /** As the library itself says. */
  readonly tensorflow: string;
  /** The npm package that the binding's sources are of, with its version. */
  readonly binding: string;
  /** `linux-x64` */
  readonly platform: string;
  readonly compiler: string | null;
  readonly wheel: { readonly name: string; readonly sha256: string; readonly known: boolean } | null;
  /** The addon that Node loads; one of `files`. */
  readonly addon: string;
  readonly files: readonly NativeFile[];
}

/** The build that engines use, with its folder. */
export interface InstalledBuild extends NativeBuild {
  readonly folder: string;
}

const SMALL = 1024 * 1024;

/** Which of a folder's builds is in use: written last, so a build that was cut short is never in use. */
export const CURRENT_FILE = 'current.json';
/** In the folder of a build: what it consists of. */
export const BUILD_FILE = 'build.json';

function damaged(path: string, expected: string, received: string): DataError {
  return new DataError({
    subject: `Native TensorFlow, ${path},`,
    expected,
    received,
    remedy: `run ${spell('tensorflow:install')} again`,
  });
}

function readSmallJson(path: string): Record<string, unknown> {
  try {
    if (statSync(path).size > SMALL) throw new Error(`more than ${SMALL} bytes`);
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw new Error('no object');
  } catch (error) {
    throw damaged(path, 'a readable record', (error as Error).message);
  }
}

function isFile(value: unknown): value is NativeFile {
  const file = value as Partial<NativeFile> | null;
  return (
    typeof file?.path === 'string' && Number.isSafeInteger(file.bytes) && /^[0-9a-f]{64}$/.test(String(file.sha256))
  );
}

function assertRecord(
  path: string,
  folder: string,
  record: Record<string, unknown>,
): asserts record is Record<string, unknown> & NativeBuild {
  if (record['format'] !== 1) throw damaged(path, 'format 1', `format ${JSON.stringify(record['format'])}`);
  const texts = ['source', 'device', 'tensorflow', 'binding', 'platform', 'addon'].filter(
    (key) => typeof record[key] !== 'string',
  );
  const files = record['files'];
  if (texts.length > 0 || !Array.isArray(files) || !files.every(isFile)) {
    throw damaged(path, 'a complete record', `one without ${[...texts, 'files'][0]}`);
  }
  const paths = files.map((file) => file.path);
  const outside = paths.find((each) => !resolve(folder, each).startsWith(`${resolve(folder)}${sep}`));
  if (outside !== undefined) throw damaged(path, 'files inside its folder', JSON.stringify(outside));
  if (!paths.includes(record['addon'] as string)) throw damaged(path, 'the addon among its files', 'none');
}

/**
 * The build in use, or nothing when none was installed.
 * @throws DataError when the records are damaged
 */
export function readInstalledBuild(root: string): InstalledBuild | undefined {
  const currentPath = join(root, CURRENT_FILE);
  if (statSync(currentPath, { throwIfNoEntry: false }) === undefined) return undefined;
  const { build } = readSmallJson(currentPath);
  if (typeof build !== 'string' || !/^[\w.-]+$/.test(build) || build.startsWith('.')) {
    throw damaged(currentPath, 'the name of a build', JSON.stringify(build) ?? 'nothing');
  }
  const folder = join(root, build);
  const path = join(folder, BUILD_FILE);
  const record = readSmallJson(path);
  assertRecord(path, folder, record);
  return { ...record, folder };
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/**
 * Checks that a build's files are there in their recorded sizes and are for this platform, and that the addon is the
 * recorded one. The library's hash, some seconds of work, is checked by the doctor alone.
 * @returns the addon's path
 * @throws DataError naming the file that differs
 */
export function assertBuildIntact(build: InstalledBuild, platform = `${process.platform}-${process.arch}`): string {
  if (build.platform !== platform) {
    throw damaged(join(build.folder, BUILD_FILE), `a build for ${platform}`, `one for ${build.platform}`);
  }
  for (const file of build.files) {
    const path = join(build.folder, file.path);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size !== file.bytes) {
      throw damaged(path, `${file.bytes} bytes`, size === undefined ? 'no such file' : `${size} bytes`);
    }
  }
  const addon = build.files.find((file) => file.path === build.addon) as NativeFile;
  const path = join(build.folder, addon.path);
  const received = sha256(path);
  if (received !== addon.sha256) throw damaged(path, `SHA-256 ${addon.sha256}`, received);
  return path;
}
