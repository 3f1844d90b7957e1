// Folders of posts that the tests make for themselves.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { solidImage } from '@drf/preprocessing/testing';

/** A temporary folder with the given files, removed after the test. */
export async function folderWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-datasets-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** A small JPEG of a color that depends on the number, so that no two of the first 200 are alike. */
export function smallJpeg(number = 0): Promise<Buffer> {
  return solidImage({ r: (number * 37) % 256, g: (number * 11) % 256, b: number % 256 }, 16, 12)
    .jpeg()
    .toBuffer();
}

/** `{folder}/{id}.jpg` and `.txt` for each id. */
export async function pairFiles(
  folder: string,
  ids: readonly (string | number)[],
): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const id of ids) {
    files[`${folder}/${id}.jpg`] = await smallJpeg(Number(id));
    files[`${folder}/${id}.txt`] = new TextEncoder().encode(`text of ${id} \n`);
  }
  return files;
}
