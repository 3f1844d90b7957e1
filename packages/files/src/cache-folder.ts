import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Names another folder than the platform's for everything that is cached. */
const CACHE_VARIABLE = 'DRF_CACHE';

/**
 * Where features, downloaded weights and builds are kept, which can all be made again: the folder that `DRF_CACHE` names,
 * else `drf` in the user's cache folder, which is `XDG_CACHE_HOME`, else `~/Library/Caches` on macOS, `LOCALAPPDATA` on
 * Windows and `~/.cache` elsewhere. Never below the current folder, and never inside an installation.
 *
 * ```ts
 * join(cacheFolder(), 'features'); // '/home/me/.cache/drf/features'
 * ```
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  home: string = homedir(),
  platform: NodeJS.Platform = process.platform,
): string {
  const named = environment[CACHE_VARIABLE];
  if (named !== undefined && named !== '') return resolve(named);
  return join(environment['XDG_CACHE_HOME'] || platformFolder(environment, home, platform), 'drf');
}

function platformFolder(environment: NodeJS.ProcessEnv, home: string, platform: NodeJS.Platform): string {
  if (platform === 'darwin') return join(home, 'Library', 'Caches');
  if (platform === 'win32') return environment['LOCALAPPDATA'] || join(home, 'AppData', 'Local');
  return join(home, '.cache');
}
