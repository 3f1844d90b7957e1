import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { isDrfError } from '@drf/tensor';
import type { Storage } from '@drf/files';
import { abortUploads, openLocation, openStorage } from './open-storage.js';
import { connect } from './s3-client.js';
import { startS3Server, type S3Request, type S3TestServer } from './testing/index.js';

const LARGE_BYTES = 20 * 1024 * 1024;
const SECRET = 'a-secret-that-nobody-may-see';

let server: S3TestServer;
let storage: Storage;

beforeEach(async () => {
  server = await startS3Server();
  useEnvironment({ AWS_ENDPOINT_URL_S3: server.endpoint });
  storage = await openStorage('s3://bucket/runs/');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

function useEnvironment(environment: Record<string, string | undefined>): void {
  const basic = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: SECRET, AWS_REGION: undefined };
  const none = {
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  for (const [name, value] of Object.entries({ ...basic, ...none, ...environment })) vi.stubEnv(name, value);
}

function put(key: string, body: string | Buffer = key): void {
  server.objects.set(`bucket/${key}`, { body: Buffer.from(body), metadata: {} });
}

async function pathsOf(from: Storage): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of from.list()) paths.push(path);
  return paths;
}

/** Spoils the first requests that fit. */
function spoil(
  times: number,
  fault: Awaited<ReturnType<S3TestServer['before']>>,
  fits: (request: S3Request) => boolean,
): void {
  let left = times;
  server.before = (request) => (fits(request) && left-- > 0 ? fault : undefined);
}

async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isDrfError(error)) throw new Error('expected a DrfError', { cause: error });
  expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(`${SECRET}|Credential=`);
  expect(error.report.remedy).not.toBe(undefined);
  return error;
}

describe('requests', () => {
  it('list page by page, without what consoles make for folders, within the prefix only', async () => {
    for (let index = 0; index < 2500; index++) put(`runs/${index}`);
    put('runs/folder/', '');
    put('runs-of-others/1');
    expect(await pathsOf(storage)).toHaveLength(2500);
    expect(server.requests.map(({ query }) => query.get('continuation-token'))).toEqual([null, expect.any(String), expect.any(String)]); // prettier-ignore
    expect(await pathsOf(await openStorage('s3://bucket'))).toHaveLength(2501);
  });

  it.each(['runs/a//b', 'runs/../b', 'runs/a\\b', 'runs//b'])('list no key that is no path: %s', async (key) => {
    put(key);
    expect((await failureOf(pathsOf(storage))).message).toMatch(
      /^Listing s3:\/\/bucket\/runs expected keys that are paths/,
    );
  });

  it('ask for ranges of one version', async () => {
    put('runs/1', Buffer.alloc(LARGE_BYTES));
    const file = await storage.open('1');
    server.requests.length = 0;
    await file.read(10, 20);
    expect(
      server.requests.map(({ method, key, headers }) => [method, key, headers.range, headers['if-match']]),
    ).toEqual([['GET', 'runs/1', 'bytes=10-19', file.version]]);
    server.requests.length = 0;
    await file.read(0, LARGE_BYTES);
    expect(server.requests.map(({ headers }) => headers.range)).toEqual(['bytes=0-8388607', 'bytes=8388608-16777215', 'bytes=16777216-20971519']); // prettier-ignore
  });

  it('are at most 16 at once, whoever asks for what', async () => {
    for (let index = 0; index < 40; index++) put(`runs/${index}`);
    const held: (() => void)[] = [];
    server.before = () => new Promise((resolve) => held.push(() => resolve(undefined)));
    const others = await openStorage('s3://bucket');
    const all = Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? storage.find(`${i}`) : others.find(`runs/${i}`)))); // prettier-ignore
    await expect.poll(() => held.length, { timeout: 20_000 }).toBe(16);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(held).toHaveLength(16);
    server.before = () => undefined;
    for (const release of held) release();
    await all;
    expect(server.mostAtOnce()).toBe(16);
  });

  it('tell versions by date and size where a gateway gives no ETags', async () => {
    const untagged = await startS3Server({ etags: false });
    useEnvironment({ AWS_ENDPOINT_URL_S3: untagged.endpoint });
    const own = await openStorage('s3://bucket');
    const set = (body: string, modified: Date): void =>
      void untagged.objects.set('bucket/1', { body: Buffer.from(body), metadata: {}, modified });
    set('one', new Date(1_000_999));
    const file = await own.open('1');
    for await (const { version } of own.list()) expect(version).toBe(file.version);
    expect(Buffer.from(await file.read(0, 3)).toString()).toBe('one');
    expect(untagged.requests.filter(({ headers }) => 'if-match' in headers)).toEqual([]);
    set('ONE', new Date(2_000_000));
    await expect(file.read(0, 3)).rejects.toThrow('a changed one');
    set('one more', new Date(1_000_999));
    await expect(file.read(0, 3)).rejects.toThrow('a changed one');
    await untagged.close();
  });

  it('go to the general endpoint variable, too, but not before that of S3', async () => {
    useEnvironment({ AWS_ENDPOINT_URL: server.endpoint, AWS_ENDPOINT_URL_S3: undefined });
    await (await openStorage('s3://bucket')).write('1', '1');
    useEnvironment({ AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_ENDPOINT_URL_S3: server.endpoint });
    expect(await pathsOf(await openStorage('s3://bucket'))).toEqual(['1']);
  });
});

describe('faults that pass', () => {
  it.each([
    ['503', { status: 503, code: 'SlowDown' }],
    ['a connection that is cut', 'cut' as const],
    ['half of a body', 'half' as const],
  ])('are waited out: %s', async (_, fault) => {
    put('runs/1', 'the content of an object');
    const file = await storage.open('1');
    spoil(2, fault, () => true);
    expect(Buffer.from(await file.read(0, 99)).toString()).toBe('the content of an object');
    expect(server.requests.filter(({ method }) => method === 'GET')).toHaveLength(3);
  });

  it.each([10, LARGE_BYTES])('are no other writer: an answer to ifAbsent that was lost (%s bytes)', async (bytes) => {
    spoil(1, 'lost', ({ method, query }) =>
      bytes === 10 ? method === 'PUT' : method === 'POST' && query.has('uploadId'),
    );
    expect(await storage.write('1', Buffer.alloc(bytes), { ifAbsent: true })).toBe(true);
    expect(await storage.write('1', Buffer.alloc(bytes), { ifAbsent: true })).toBe(false);
    expect(server.uploads.size).toBe(0);
  });

  it('are conflicts with others that write the same key at the moment', async () => {
    spoil(2, { status: 409, code: 'ConditionalRequestConflict' }, ({ method }) => method === 'PUT');
    expect(await storage.write('1', '1', { ifAbsent: true })).toBe(true);
  });
});

describe('faults that stay', () => {
  it('of a part of an upload leave nothing', async () => {
    spoil(Infinity, { status: 500, code: 'InternalError' }, ({ query }) => query.get('partNumber') === '2');
    const error = await failureOf(storage.write('1', Buffer.alloc(LARGE_BYTES)));
    expect(error.message).toBe(
      `Writing s3://bucket/runs/1 expected an answer of ${server.endpoint}, received 500 InternalError; start again later; the store is busy or out of order`,
    );
    expect(server.uploads.size).toBe(0);
    expect(server.objects.size).toBe(0);
  });

  it('say that an object changed while it was streamed', async () => {
    put('runs/1', Buffer.alloc(LARGE_BYTES));
    const file = await storage.open('1');
    server.before = ({ headers }) => {
      if (headers.range?.startsWith('bytes=16') === true) put('runs/1', Buffer.alloc(LARGE_BYTES, 1));
      return undefined;
    };
    const stream = (async () => {
      for await (const _piece of file.stream()) expect(_piece).toHaveLength(8 * 1024 * 1024);
    })();
    expect((await failureOf(stream)).code).toBe('changed');
  });

  it('name a bucket that is not there, whatever is asked of it', async () => {
    const nowhere = await openStorage('s3://bukcet/runs');
    const ways = [
      () => nowhere.find('1'),
      () => nowhere.open('1'),
      () => pathsOf(nowhere),
      () => nowhere.write('1', '1'),
    ];
    for (const way of ways) {
      const error = await failureOf(way());
      expect(error.code).toBe('no-bucket');
      expect(error.message).toContain(`expected a bucket bukcet at ${server.endpoint}, received none of that name`);
    }
    server.buckets.add('bukcet');
    expect(await nowhere.find('1')).toBeUndefined();
  });

  it.each([
    [403, 'InvalidAccessKeyId', 'bad-credentials', '403 InvalidAccessKeyId; renew them'],
    [404, 'XAdminUserNotFound', 'bad-credentials', '404 XAdminUserNotFound; renew them'],
    [400, 'ExpiredToken', 'bad-credentials', '400 ExpiredToken; renew them'],
    [403, 'AccessDenied', 'access-denied', 's3:ListBucket'],
  ])('say of who asks, whatever is asked, not that nothing is there: %s %s', async (status, code, ours, remedy) => {
    put('runs/1');
    spoil(Infinity, { status, code }, () => true);
    const ways = [
      () => storage.find('1'),
      () => openLocation('s3://bucket/runs/1'),
      () => pathsOf(storage),
      () => storage.write('2', '2'),
    ];
    for (const way of ways) {
      const error = await failureOf(way());
      expect(error.code).toBe(ours);
      expect(error.message).toContain(remedy);
    }
    server.before = () => undefined;
    expect(await storage.find('1')).toMatchObject({ bytes: 6 });
  });

  it('do not take an answer that nobody knows for an object that is not there', async () => {
    spoil(Infinity, { status: 404, code: 'Unheard' }, () => true);
    expect((await failureOf(pathsOf(storage))).message).toContain('received 404 Unheard');
  });

  it.each([
    [403, 'AccessDenied', 'access-denied', 's3:ListBucket, s3:GetObject'],
    [403, 'InvalidAccessKeyId', 'bad-credentials', 'AWS_ACCESS_KEY_ID'],
    [403, 'SignatureDoesNotMatch', 'bad-credentials', 'AWS_SECRET_ACCESS_KEY'],
    [400, 'ExpiredToken', 'bad-credentials', 'AWS_SESSION_TOKEN'],
    [301, 'PermanentRedirect', 'wrong-region', 'AWS_REGION'],
    [400, 'AuthorizationHeaderMalformed', 'wrong-region', 'AWS_REGION'],
    [404, 'NoSuchKey', 'gone', 'check the path'],
    [412, 'PreconditionFailed', 'changed', 'restore it'],
    [400, 'Unheard', 'unavailable', 'try again'],
  ])('say what to do: %s %s', async (status, code, ours, remedy) => {
    put('runs/1');
    const file = await storage.open('1');
    spoil(Infinity, { status, code }, () => true);
    const error = await failureOf(file.read(0, 3));
    expect(error.code).toBe(ours);
    expect(error.message).toMatch(/^Reading s3:\/\/bucket\/runs\/1 expected /);
    expect(error.message).toContain(remedy);
  });

  it('name the variables where there are no credentials', async () => {
    useEnvironment({
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
    });
    const error = await failureOf(pathsOf(await openStorage('s3://bucket')));
    expect(error.message).toContain('received none; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
    expect(isDrfError(error, 'unavailable')).toBe(true);
    expect(server.requests).toEqual([]);
  });

  it('keep names and passwords in addresses to themselves', async () => {
    const inLocation = openStorage(`s3://somebody:${SECRET}@bucket/runs`);
    expect((await failureOf(inLocation)).message).toMatch(/^Location s3:\/\/…@bucket expected s3:\/\/BUCKET\/PREFIX/);
    useEnvironment({ AWS_ENDPOINT_URL_S3: `http://somebody:${SECRET}@127.0.0.1:9` });
    const error = await failureOf(pathsOf(await openStorage('s3://bucket/runs')));
    expect(error.message).toContain('expected an answer of http://127.0.0.1:9,');
  });

  it('say of a name that no bucket can have that there is none', async () => {
    spoil(Infinity, { status: 400, code: 'InvalidBucketName' }, () => true);
    expect((await failureOf(storage.find('1'))).code).toBe('no-bucket');
  });

  it('name the endpoint that does not answer', async () => {
    useEnvironment({ AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' });
    const error = await failureOf(pathsOf(await openStorage('s3://bucket/runs')));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('expected an answer of http://127.0.0.1:9, received connect ECONNREFUSED');
  });
});

describe('uploads of killed writers', () => {
  const begin = async (key: string): Promise<void> => {
    const { client } = await connect();
    await client.send(new CreateMultipartUploadCommand({ Bucket: 'bucket', Key: key }));
  };
  const left = (): string[] =>
    [...server.uploads.keys()].map((id) => (JSON.parse(id) as { name: string }).name.slice('bucket/'.length)).sort();

  it('are aborted where the object is there, within what is named', async () => {
    await server.close();
    server = await startS3Server({ pageSize: 2 });
    useEnvironment({ AWS_ENDPOINT_URL_S3: server.endpoint });
    storage = await openStorage('s3://bucket/runs');
    const keys = ['runs/1', 'runs/a/1', 'runs/a/2', 'runs/ab', 'runs-of-others/1'];
    for (const key of keys) put(key);
    for (const key of [...keys, 'runs/a/2', 'runs/a/under-way']) await begin(key);
    expect(await abortUploads(storage, 'a')).toBe(3);
    expect(left()).toEqual(['runs-of-others/1', 'runs/1', 'runs/a/under-way', 'runs/ab']);
    expect(await abortUploads(storage)).toBe(2);
    expect(left()).toEqual(['runs-of-others/1', 'runs/a/under-way']);
    expect([...server.objects.keys()]).toHaveLength(5);
    expect(await abortUploads(await openStorage('/nowhere'))).toBe(0);
  });

  it('stay where the server does not let them be listed', async () => {
    put('runs/1');
    await begin('runs/1');
    for (const [status, code] of [
      [403, 'AccessDenied'],
      [501, 'NotImplemented'],
    ] as const) {
      spoil(Infinity, { status, code }, ({ query }) => query.has('uploads'));
      expect(await abortUploads(storage)).toBe(0);
    }
    expect(left()).toEqual(['runs/1']);
  });
});
