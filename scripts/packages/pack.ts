import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow } from './tarball.js';
import { startProgress } from '../../packages/terminal/src/index.js';
import { lastLines, pnpm, run, workspacePackages, type WorkspacePackage } from './workspace.js';

export interface Tarball {
  readonly path: string;
  /** Where it was unpacked: the folder of its `package.json`. */
  readonly folder: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
  readonly files: number;
}

const tarballIn = async (folder: string): Promise<string | undefined> =>
  (await readdir(folder)).find((file) => file.endsWith('.tgz'));

/**
 * `pnpm pack`, unpacked again beside it. A tarball that is there already is taken as it is.
 * @throws Error with what pnpm or tar printed
 */
export async function pack(each: WorkspacePackage, folder: string): Promise<Tarball> {
  const target = join(folder, each.manifest.name.replace('/', '+'));
  await mkdir(target, { recursive: true });
  let name = await tarballIn(target);
  if (name === undefined) {
    const [program, ...args] = pnpm();
    const packed = await run(program, [...args, 'pack', '--pack-destination', target], { cwd: each.folder });
    name = await tarballIn(target);
    if (packed.failed || name === undefined) throw new Error(`pnpm pack failed: ${lastLines(packed)}`);
  }
  const path = join(target, name);
  const unpacked = await run('tar', ['-xzf', path, '-C', target], { cwd: target });
  if (unpacked.failed) throw new Error(`${name} cannot be unpacked: ${lastLines(unpacked)}`);
  const contents = join(target, 'package');
  const files = await filesBelow(contents);
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(contents, file))).size));
  return {
    path,
    folder: contents,
    bytes: (await stat(path)).size,
    unpackedBytes: sizes.reduce((sum, size) => sum + size, 0),
    files: files.length,
  };
}

/** Every published package as a tarball. @returns paths by name */
export async function packAll(folder: string): Promise<ReadonlyMap<string, string>> {
  const packages = await workspacePackages();
  const progress = startProgress({ label: 'packing', total: packages.length, unit: 'packages' });
  const tarballs = new Map<string, string>();
  for (const each of packages) {
    tarballs.set(each.manifest.name, (await pack(each, folder)).path);
    progress.update(tarballs.size);
  }
  progress.stop();
  return tarballs;
}
