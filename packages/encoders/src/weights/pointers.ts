import type { Dirent } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UnavailableError } from '@drf/tensor';

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
