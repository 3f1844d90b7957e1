import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pointClientAt, startS3Server, type S3TestServer } from '@drf/storage/testing';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { openFeatureCache, type FeatureCache } from './feature-cache.js';

const ENCODER = { id: 'tiny', outputDim: 3 };
const SHARED = 's3://bucket/features';

let server: S3TestServer;
beforeEach(async () => {
  server = await startS3Server();
  pointClientAt(server);
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

/** Whose own cache is empty. */
async function onMachine(folder: string): Promise<FeatureCache> {
  vi.stubEnv('DRF_CACHE', folder);
  return openFeatureCache(SHARED, ENCODER);
}

async function put(cache: FeatureCache, ...keys: string[]): Promise<void> {
  for (const key of keys) cache.put(key, Float32Array.of(key.length, key.charCodeAt(0), 0.5));
  await cache.flush();
}

const keysThere = (): string[] => [...server.objects.keys()].sort();

describe('a feature cache in object storage', () => {
  it('gives every machine what the others have encoded, once', async () => {
    const [first, second] = [await temporaryFolder(), await temporaryFolder()];
    const one = await onMachine(first);
    await put(one, 'a', 'b');
    expect(keysThere()).toEqual([]);
    await one.close();
    expect(keysThere()).toHaveLength(2);

    const other = await onMachine(second);
    expect(other.stats).toMatchObject({ rows: 2, problems: [] });
    expect(await other.get(['b'])).toEqual([Float32Array.of(1, 98, 0.5)]);
    await put(other, 'c');
    await other.close();
    expect(keysThere()).toHaveLength(4);

    server.requests.length = 0;
    const again = await onMachine(second);
    expect(again.stats.rows).toBe(3);
    await again.close();
    expect(server.requests.map(({ query }) => query.get('list-type'))).toEqual(['2']);
    const third = await onMachine(first);
    expect(third.stats.rows).toBe(3);
    await third.close();
  });

  it('takes the same from two that publish at once, and publishes what grows again', async () => {
    const folders = [await temporaryFolder(), await temporaryFolder()];
    const caches = [await onMachine(folders[0] ?? ''), await onMachine(folders[1] ?? '')];
    for (const cache of caches) await put(cache, 'a');
    await Promise.all(caches.map((cache) => cache.publish()));
    expect(keysThere()).toHaveLength(2);
    await put(caches[0] as FeatureCache, 'b');
    for (const cache of caches) await cache.close();
    expect(keysThere()).toHaveLength(4);
    const reader = await onMachine(await temporaryFolder());
    expect(await reader.get(['a', 'b'])).toEqual([Float32Array.of(1, 97, 0.5), Float32Array.of(1, 98, 0.5)]);
    await reader.close();
  });

  it('keeps what cannot be published, and says so', async () => {
    const folder = await temporaryFolder();
    const cache = await onMachine(folder);
    await put(cache, 'a');
    server.before = ({ method }) => (method === 'PUT' ? { status: 503, code: 'SlowDown' } : undefined);
    expect(await cache.publish()).toContain('not published: Writing s3://bucket/features/');
    server.before = () => undefined;
    await cache.close();
    expect(keysThere()).toHaveLength(2);
    vi.stubEnv('DRF_CACHE', folder);
    const local = await openFeatureCache(join(folder, 'features'), ENCODER);
    expect(local.stats.rows).toBe(1);
    await local.close();
  });

  it('takes over no segment that was cut short or is not what its name says', async () => {
    const one = await onMachine(await temporaryFolder());
    await put(one, 'a');
    await one.close();
    const index = keysThere().find((key) => key.endsWith('.index')) ?? '';
    const whole = server.objects.get(index);
    const folder = await temporaryFolder();

    server.objects.set(index, { body: Buffer.from('another'), metadata: {} });
    await expect(onMachine(folder)).rejects.toThrow('a file whose name is the SHA-256 of its content');
    const below = join(folder, 'features');
    expect((await readdir(below, { recursive: true })).filter((name) => name.includes('segment'))).toEqual([]);

    if (whole !== undefined) server.objects.set(index, whole);
    const cache = await onMachine(folder);
    expect(cache.stats.rows).toBe(1);
    await cache.close();
    await rm(folder, { recursive: true });
  });
});
