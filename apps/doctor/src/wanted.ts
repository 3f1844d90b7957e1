import { readFileSync } from 'node:fs';

/** What the project's own `package.json` asks of the machine. */
export interface Wanted {
  readonly nodeMajor: number;
  readonly pnpm: string;
}

/** Reads the workspace's `package.json`, three folders up from here both in source and built. */
export function readWanted(path: URL = new URL('../../../package.json', import.meta.url)): Wanted {
  const { engines, packageManager } = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly engines: { readonly node: string };
    readonly packageManager: string;
  };
  return { nodeMajor: Number(/\d+/.exec(engines.node)?.[0]), pnpm: packageManager.replace(/^pnpm@|\+.*$/g, '') };
}
