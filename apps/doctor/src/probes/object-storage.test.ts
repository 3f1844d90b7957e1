import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pointClientAt, startS3Server, type S3TestServer } from '@drf/storage/testing';
import { fakeMachine } from '../testing/fake-machine.js';
import { probeObjectStorage } from './object-storage.js';

const SECRET = 'nobody-may-see-this';
let server: S3TestServer;
beforeEach(async () => {
  server = await startS3Server();
  pointClientAt(server, { accessKeyId: 'key-id', secretAccessKey: SECRET });
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

const machine = (changes = {}): ReturnType<typeof fakeMachine> => fakeMachine({ environment: process.env, ...changes });

describe('the probe of object storage', () => {
  it('asks nothing where nothing is set up', async () => {
    const findings = await probeObjectStorage(fakeMachine());
    expect(findings).toMatchObject([{ mark: 'absent', found: 'not set up' }]);
    expect(server.requests).toEqual([]);
  });

  it('says where credentials come from, and not what they are', async () => {
    const findings = await probeObjectStorage(machine());
    expect(findings).toMatchObject([
      { subject: server.endpoint, mark: 'good' },
      {
        subject: 'credentials',
        mark: 'good',
        found: expect.stringContaining('of the variables AWS_ACCESS_KEY_ID') as string,
      },
    ]);
    expect(JSON.stringify(findings)).not.toMatch(`${SECRET}|key-id`);
  });

  it('tries everything with a location, and leaves nothing behind', async () => {
    const findings = await probeObjectStorage(machine(), 's3://bucket/here');
    expect(findings.map(({ subject, mark }) => [subject.split(',')[0], mark]).slice(1)).toEqual(
      ['credentials', 'list', 'write', 'write if absent', 'read', 'remove'].map((what) => [what, 'good']),
    );
    expect(server.objects.size).toBe(0);
    expect(server.requests.filter(({ method }) => method === 'PUT')).toHaveLength(2);
  });

  it.each([
    ['a bucket that is not there', 's3://other', 'list, s3://other', 'none of that name'],
    ['no location', 's3://', 's3://', 'no bucket'],
  ])('warns of %s', async (_, location, subject, found) => {
    const findings = await probeObjectStorage(machine(), location);
    expect(findings.at(-1)).toMatchObject({ subject, found, mark: 'warning' });
  });

  it('warns of a server that is out of reach, and of one that does not keep what is there', async () => {
    const unreachable = { head: () => Promise.reject(new Error('refused')) };
    expect((await probeObjectStorage(machine(unreachable)))[0]).toMatchObject({ mark: 'warning', found: 'not reachable: refused' }); // prettier-ignore
    server.before = ({ headers }) => void delete headers['if-none-match'];
    const findings = await probeObjectStorage(machine(), 's3://bucket');
    expect(findings.at(-1)).toMatchObject({ subject: 'write if absent, s3://bucket', mark: 'warning', found: 'one that replaced it' }); // prettier-ignore
  });
});
