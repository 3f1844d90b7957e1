import { createHash } from 'node:crypto';
import { createReadStream, type Dirent, existsSync, statSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigurationError, UnavailableError } from '@drf/tensor';

const HUB_ID = /^[\w][\w.-]*(\/[\w][\w.-]*)?$/;

/** A model in a folder, or on the hub. */
type ModelName = { readonly folder: string } | { readonly id: string };

/** Words for errors: who was asked, what a folder should hold, what an id looks like. */
interface ModelNameWords {
  readonly subject: string;
  readonly folderHolds: string;
  readonly exampleId: string;
}

/**
 * Tells a folder from a hub id: what exists as a folder is one, and so is what looks like a path.
 * @throws UnavailableError for a path without a folder, ConfigurationError for what is neither
 */
export function parseModelName(model: string, words: ModelNameWords): ModelName {
  const path = resolve(model);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return { folder: path };
  if (/^([./~]|[A-Za-z]:\\)/.test(model) || model.split('/').length > 2) {
    throw new UnavailableError({
      subject: `model folder ${model}`,
      expected: `a folder with ${words.folderHolds}`,
      received: 'no such folder',
      remedy: 'check the path',
    });
  }
  if (HUB_ID.test(model) && !model.includes('..')) return { id: model };
  throw new ConfigurationError({
    subject: words.subject,
    expected: `a hub id such as "${words.exampleId}", or a folder`,
    received: JSON.stringify(model),
  });
}

/** Where a model's files are, and how to speak of it. */
export interface ModelSource {
  /** An absolute folder or a hub id. */
  readonly name: string;
  /** Where the model's files are, or will be once they were fetched. */
  readonly folder: string;
  readonly isFolder: boolean;
}

/** SHA-256 over those of the files that exist, shortened: the part of an encoder's id that follows the files. */
export async function fingerprint(source: ModelSource, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const path = join(source.folder, file);
    if (!existsSync(path)) continue;
    hash.update(`${file}:${statSync(path).size}:`);
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex').slice(0, 12);
}

/** What to do where the hub is not asked, since nobody wanted it to be. */
export const ALLOW_DOWNLOAD = 'allow the hub to be asked once by --allow-download, with a network';

/** Place of the hash of a model's files among the parts of an encoder's id. */
const HASH_PART = 3;

/**
 * A folder that somebody else named is used only if it holds the files that the encoder's id says: their bytes are
 * hashed, and nothing else is done with them before.
 * @param expectedId id of an encoder of these files, as a run recorded it; undefined: whatever the folder holds
 * @param alternatives lists of files; one of them must have the hash
 * @throws ConfigurationError naming the folder
 */
export async function assertExpectedFiles(
  source: ModelSource,
  expectedId: string | undefined,
  alternatives: readonly (readonly string[])[],
): Promise<void> {
  if (expectedId === undefined || !source.isFolder) return;
  const expected = expectedId.split(':')[HASH_PART];
  for (const files of alternatives) if ((await fingerprint(source, files)) === expected) return;
  throw new ConfigurationError({
    subject: `Model folder ${source.folder}`,
    expected: `the files of the encoder "${expectedId}", with which the run was trained`,
    received: 'a folder with other files, or without them, which is not read',
    remedy: 'put the model back that the run was trained with, or train again',
  });
}

/** How a pointer of Git LFS begins, which stands for a file until it is fetched. */
const POINTER = 'version https://git-lfs.github.com/spec/';
/** Pointers are shorter. */
const MAXIMUM_BYTES = 1024;
const READ_FILES = /\.(?:json|safetensors|txt|onnx|onnx_data)$/;
/** Folders in a model's folder whose files are read, too. */
const SUBFOLDERS = ['onnx', '1_Pooling'];

async function beginsAsPointer(path: string): Promise<boolean> {
  const { size } = await stat(path);
  if (size > MAXIMUM_BYTES) return false;
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(POINTER.length), 0, POINTER.length, 0);
    return buffer.subarray(0, bytesRead).toString('utf8') === POINTER;
  } finally {
    await handle.close();
  }
}

/**
 * Weights, tokenizers and configurations of a folder are files themselves, not the pointers that a clone without Git LFS
 * leaves in their place.
 * @throws UnavailableError naming the pointer and how its file is had
 */
export async function assertNoPointers(folder: string): Promise<void> {
  for (const part of ['', ...SUBFOLDERS]) {
    const entries = await readdir(join(folder, part), { withFileTypes: true }).catch((): Dirent[] => []);
    for (const entry of entries) {
      const path = join(folder, part, entry.name);
      if (!entry.isFile() || !READ_FILES.test(entry.name) || !(await beginsAsPointer(path))) continue;
      throw new UnavailableError({
        subject: `model folder ${folder}`,
        expected: `the content of ${join(part, entry.name)}`,
        received: 'a Git LFS pointer in its place',
        remedy: 'run "git lfs install" and "git lfs pull" in the folder, or fetch the model by its hub id',
      });
    }
  }
}
