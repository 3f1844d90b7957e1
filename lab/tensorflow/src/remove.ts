import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BUILD_FILE, CURRENT_FILE } from '@drf/engine';

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
