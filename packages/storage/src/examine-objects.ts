import { randomUUID } from 'node:crypto';
import { DrfError, UnavailableError } from '@drf/tensor';
import { parseObjectLocation } from './location.js';
import { openStorage } from './open-storage.js';

/** What a look at object storage found. */
export interface ObjectStorageCheck {
  readonly what: 'credentials' | 'list' | 'write' | 'write if absent' | 'read' | 'remove';
  /** How it went, for people. */
  readonly found: string;
  /** Why it did not work; what comes after it was not tried. */
  readonly error?: DrfError;
}

/** Where credentials come from, by how the client names it. */
const SOURCES: readonly (readonly [name: RegExp, source: string])[] = [
  [/ENV_VARS/, 'the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  [/SSO/, 'single sign-on'],
  [/WEB_ID/, 'a web identity token'],
  [/PROCESS/, "a profile's program"],
  [/IMDS/, "this machine's role"],
  [/HTTP/, "this container's role"],
  [/PROFILE|STS/, 'a profile'],
];

/**
 * Looks whether there are credentials, of which it tells the source alone, and with a location whether objects there can be
 * listed, written, read and removed: one small object, `drf-doctor-…`, comes and goes.
 * @param location `s3://bucket/prefix`
 * @throws ConfigurationError for a location that names no bucket
 */
export async function examineObjects(location?: string): Promise<ObjectStorageCheck[]> {
  if (location !== undefined) parseObjectLocation(location);
  const checks: ObjectStorageCheck[] = [];
  const name = `drf-doctor-${randomUUID()}`;
  const steps: (readonly [ObjectStorageCheck['what'], () => Promise<string>])[] = [['credentials', credentialSource]];
  if (location !== undefined) {
    const storage = await openStorage(location);
    const say = async (done: Promise<unknown>, words: string): Promise<string> => (await done, words);
    steps.push(
      [
        'list',
        async () =>
          (await storage.list()[Symbol.asyncIterator]().next()).done === true ? 'nothing there yet' : 'works',
      ],
      ['write', () => say(storage.write(name, 'drf'), 'works')],
      [
        'write if absent',
        async () => refused(storage.location, await storage.write(name, 'other', { ifAbsent: true })),
      ],
      ['read', async () => say((await storage.open(name)).read(0, 3), 'works')],
      ['remove', () => say(storage.remove(name), 'works')],
    );
  }
  for (const [what, step] of steps) {
    try {
      checks.push({ what, found: await step() });
    } catch (error) {
      if (!(error instanceof DrfError)) throw error;
      checks.push({ what, found: error.report.received, error });
      break;
    }
  }
  return checks;
}

async function credentialSource(): Promise<string> {
  const [{ connect }, { explained }] = await Promise.all([import('./s3-client.js'), import('./s3-errors.js')]);
  const { client, endpoint, region } = await connect();
  try {
    const { $source = {} } = (await client.config.credentials()) as { readonly $source?: object };
    const keys = Object.keys($source).join(' ');
    const source = SOURCES.find(([pattern]) => pattern.test(keys))?.[1] ?? 'the AWS client';
    return `of ${source}, for ${endpoint}`;
  } catch (error) {
    throw explained(error, { doing: 'Looking for', name: 'credentials', bucket: '', endpoint, region });
  }
}

function refused(location: string, written: boolean): string {
  if (!written) return 'works';
  throw new UnavailableError({
    subject: `Writing to ${location}`,
    expected: 'a server that leaves an object that is there when told so (If-None-Match: *)',
    received: 'one that replaced it',
    remedy: 'use another server: with this one, of two that write at once the first is lost',
  });
}
