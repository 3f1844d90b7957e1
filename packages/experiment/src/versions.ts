import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

/** What a run was made with; saved in its `config.json`. */
export interface Versions {
  readonly node: string;
  readonly platform: string;
  readonly packages: { readonly [name: string]: string };
  /** Commit of the working tree, with "+changes" when it had uncommitted ones; null outside git. */
  readonly git: string | null;
}

const require = createRequire(import.meta.url);

async function gitRevision(folder: string): Promise<string | null> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', ['-C', folder, ...args], { timeout: 5000 })).stdout.trim();
  try {
    const revision = await git('rev-parse', 'HEAD');
    return (await git('status', '--porcelain', '--untracked-files=no')) === '' ? revision : `${revision}+changes`;
  } catch {
    return null; // no git, or no repository
  }
}

/** Reads versions of Node, of this project and of tfjs, and the git revision of the given folder. */
export async function readVersions(folder: string = process.cwd()): Promise<Versions> {
  const tfjs = (require('@tensorflow/tfjs/package.json') as { version: string }).version;
  const own = (require('../package.json') as { version: string }).version;
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    packages: { '@drf/experiment': own, '@tensorflow/tfjs': tfjs },
    git: await gitRevision(folder),
  };
}
