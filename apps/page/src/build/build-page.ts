import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '@drf/files';
import { bundle } from './bundle.js';
import { exampleFiles } from './examples.js';
import { isCurrent, writeStamp } from './stamp.js';

/** Where the page of this workspace is kept once it is built. */
const BUILT = fileURLToPath(new URL('../../dist/site/', import.meta.url));
const STAMP = fileURLToPath(new URL('../../dist/site.json', import.meta.url));

/**
 * Builds the page into a folder, which it replaces as a whole.
 * @returns absolute paths of the workspace sources that it holds code of
 */
export async function buildPage(out: string): Promise<readonly string[]> {
  const temporary = join(dirname(out), `.page-${process.pid}`);
  try {
    const sources = await bundle(temporary);
    for (const [name, content] of await exampleFiles()) await writeFileAtomic(join(temporary, name), content);
    await mkdir(dirname(out), { recursive: true });
    await rm(out, { recursive: true, force: true });
    await rename(temporary, out);
    return sources;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * The folder of this workspace's page, which is built first where it is missing or its sources have changed.
 * @param onBuild told that it takes a moment
 */
export async function pageFolder(onBuild: () => void = () => undefined): Promise<string> {
  if (await isCurrent(STAMP)) return BUILT;
  onBuild();
  await rm(STAMP, { force: true });
  await writeStamp(STAMP, await buildPage(BUILT.replace(/[\\/]$/, '')));
  return BUILT;
}
