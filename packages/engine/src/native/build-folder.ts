import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Names another folder for builds of the native library than the user's cache folder. */
export const NATIVE_FOLDER_VARIABLE = 'DRF_TENSORFLOW_FOLDER';

/**
 * Where builds of native TensorFlow live: the folder that `DRF_TENSORFLOW_FOLDER` names, else `drf/tensorflow` in the
 * user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`). Never inside `node_modules`, whose files may be shared.
 */
export function nativeFolder(environment: NodeJS.ProcessEnv = process.env, home: string = homedir()): string {
  const named = environment[NATIVE_FOLDER_VARIABLE];
  if (named !== undefined && named !== '') return resolve(named);
  const cache = environment['XDG_CACHE_HOME'];
  return join(cache === undefined || cache === '' ? join(home, '.cache') : cache, 'drf', 'tensorflow');
}
