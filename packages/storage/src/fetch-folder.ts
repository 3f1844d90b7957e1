import { cacheFolder } from '@drf/files';
import { EXIT, ExitRequest, interruptSignal, startJob } from '@drf/terminal';
import { localCopy } from './local-copy.js';
import { isLocalLocation } from './location.js';

const MEGABYTE = 1024 * 1024;

/**
 * The folder of a run or export that a command line names: itself where it is local, and what lies in object storage as a
 * copy in the cache ({@link localCopy}), with progress on standard error. The copy is to be read only.
 * @throws as {@link localCopy}; ExitRequest after Ctrl-C
 */
export async function fetchFolder(location: string, { silent = false } = {}): Promise<string> {
  if (isLocalLocation(location)) return location;
  const interrupt = interruptSignal(() => process.stderr.write('\nStopping (Ctrl-C again ends at once) …\n'));
  const job = startJob({ label: `Fetching ${location}`, unit: 'MB', silent });
  const { signal } = interrupt;
  try {
    return await localCopy(location, {
      cache: cacheFolder(),
      signal,
      onProgress: (done, total) => job.update(Math.floor(done / MEGABYTE), Math.ceil(total / MEGABYTE)),
    });
  } catch (error) {
    throw signal.aborted ? new ExitRequest(EXIT.interrupted) : error;
  } finally {
    job.stop();
    interrupt.release();
  }
}

/** {@link fetchFolder} of each, one after the other; nothing of nothing. */
export async function fetchFolders(
  locations: readonly string[] = [],
  options: { readonly silent?: boolean } = {},
): Promise<string[]> {
  const folders: string[] = [];
  for (const location of locations) folders.push(await fetchFolder(location, options));
  return folders;
}
