import { join } from 'node:path';
import { nativeFolder } from '@drf/engine';
import { cacheFolder } from '@drf/files';
import { type Finding, formatBytes } from '../report.js';
import type { Machine } from '../machine.js';

const HUB = 'Model hub';
const CACHES = 'Caches';
const HUB_MILLISECONDS = 3000;

/** Whether models could be downloaded now. Never a problem: models can also come from a folder or the cache. */
async function hubFinding(machine: Machine): Promise<Finding> {
  const endpoint = await machine.hubEndpoint();
  const subject = endpoint ?? 'endpoint';
  const advice =
    'use a model folder or a filled cache, or name a mirror by HF_ENDPOINT; the embedded encoders need no hub';
  if (endpoint === undefined) return { topic: HUB, subject, mark: 'warning', found: 'not known', advice };
  try {
    const status = await machine.head(endpoint, HUB_MILLISECONDS);
    if (status < 500) return { topic: HUB, subject, mark: 'good', found: 'reachable' };
    return { topic: HUB, subject, mark: 'warning', found: `answers with status ${status}`, advice };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    return { topic: HUB, subject, mark: 'warning', found: `not reachable: ${cause.message}`, advice };
  }
}

/** Where the hub's own programs keep models. */
function hubCache({ environment, home }: Machine): string {
  const { HF_HUB_CACHE: named, HF_HOME: hubHome, XDG_CACHE_HOME: cache } = environment;
  return named ?? join(hubHome ?? join(cache ?? join(home, '.cache'), 'huggingface'), 'hub');
}

async function cacheFinding(machine: Machine, subject: string, folder: string): Promise<Finding> {
  const size = await machine.folderBytes(folder);
  const found = size === undefined ? 'empty' : `${size.more ? 'more than ' : ''}${formatBytes(size.bytes)}`;
  return { topic: CACHES, subject, mark: 'good', found: `${found} (${folder})` };
}

export async function probeHubAndCaches(machine: Machine): Promise<Finding[]> {
  return Promise.all([
    hubFinding(machine),
    cacheFinding(machine, 'Features', join(cacheFolder(machine.environment, machine.home), 'features')),
    cacheFinding(machine, 'Models of the hub', hubCache(machine)),
    cacheFinding(
      machine,
      'Models of transformers.js',
      join(cacheFolder(machine.environment, machine.home), 'transformers'),
    ),
    cacheFinding(machine, 'Native TensorFlow', nativeFolder(machine.environment, machine.home)),
  ]);
}
