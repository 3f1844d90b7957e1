import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, vi } from 'vitest';
import { connect } from './s3-client.js';
import { describeStorageContract } from './storage.contract.js';
import { pointClientAt, startS3Server, type S3TestServer } from './testing/index.js';

const REAL_SERVER = process.env['DRF_TEST_S3'];

describe('a folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drf-storage-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  describeStorageContract('folder', () => join(folder, randomUUID()));
});

describe('the S3 server for tests', () => {
  let server: S3TestServer;
  beforeAll(async () => {
    server = await startS3Server({ pageSize: 2 });
    pointClientAt(server);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server.close();
  });
  afterEach(() => expect([...server.uploads.keys()]).toEqual([]));
  describeStorageContract('S3', () => `s3://bucket/${randomUUID()}`);
});

describe.skipIf(REAL_SERVER === undefined)('the S3 server that DRF_TEST_S3 names', () => {
  const bucket = `drf-test-${randomUUID()}`;
  let racing: string | undefined;
  beforeAll(async () => {
    // with credentials of the environment, else some that servers for tests take
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
    pointClientAt({ endpoint: REAL_SERVER ?? '' }, { accessKeyId, secretAccessKey });
    const { client } = await connect();
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    if ((await fetch(`${REAL_SERVER}/moto-api/`)).ok) {
      racing = 'moto looks for the object first and writes it later: of writers at the same time, several win';
    }
  });
  afterAll(() => vi.unstubAllEnvs());
  describeStorageContract(
    'real S3',
    () => `s3://${bucket}/${randomUUID()}`,
    () => racing,
  );
});
