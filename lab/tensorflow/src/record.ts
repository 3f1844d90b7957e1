import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { NativeFile } from '@drf/engine';
import { fileSha256 } from './download.js';

/** What a build loads: the addon and every shared library beside it. */
export async function recordFiles(folder: string): Promise<NativeFile[]> {
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
