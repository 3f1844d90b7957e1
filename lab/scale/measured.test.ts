import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { openStorage } from '@drf/storage';
import { startS3Server } from '@drf/storage/testing';
import { tapServer } from './kills.mjs';
import { inLaboratory, measure, ROOT, wholeNumber } from './laboratory.mjs';
import { makePosts } from './posts.mjs';
import { WORKS } from './works.mjs';

/** Has what is measured run without a build. */
const SOURCE = { NODE_OPTIONS: `--conditions=source --import ${pathToFileURL(join(ROOT, 'scripts/from-source.mjs'))}` };
const KEYS = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };

it('lists all keys, by as many requests as the tap has seen pages', async () => {
  const server = await startS3Server({ pageSize: 1000 });
  const tap = await tapServer({ endpoint: server.endpoint, env: { ...SOURCE, ...KEYS } }, { address: '127.0.0.1' });
  try {
    for (let key = 0; key < 2500; key++) server.objects.set(`bucket/many/${key}`, { body: Buffer.of(), metadata: {} });
    const took = await inLaboratory({}, (laboratory) => measure(laboratory, ['list', 's3://bucket/many'], tap.env));
    expect(took).toMatchObject({ keys: 2500 });
    expect(took.seconds).toBeGreaterThan(0);
    expect(took.peak).toBeGreaterThanOrEqual(took.before);
    expect(tap.requests).toMatchObject({ GET: 3, HEAD: 0, PUT: 0 });
    expect(server.requests).toHaveLength(3);
    expect(tap.answeredBytes()).toBeGreaterThan(2500 * '<Contents><Key>many/0</Key></Contents>'.length);
  } finally {
    await tap.close();
    await server.close();
  }
});

it('reads a shard by the ranges of its rows', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drf-works-test-'));
  try {
    const posts = join(folder, 'posts');
    await makePosts(await openStorage(posts), { count: 400, perFile: 400, rowGroup: 40, distinct: 20 });
    const { size } = await stat(join(posts, 'posts-00000.parquet'));
    const plan = join(folder, 'plan.json');
    expect(await (await WORKS.plan(posts, '40', plan))()).toMatchObject({ rows: 400, shards: 10 });
    const one = await (await WORKS.read(plan, '4', '5'))();
    expect(one).toMatchObject({ rows: 40, refused: 0 });
    const all = await (await WORKS.read(plan, '0', '10'))();
    expect(all).toMatchObject({ rows: 400, refused: 0 });
    expect(one.read).toBeLessThan(all.read / 5);
    expect(all.read).toBeGreaterThan(size / 2);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it.each(['0', '1.5', 'many'])('takes %s for no number of keys', (given) => {
  expect(() => wholeNumber('--keys', given)).toThrow(`--keys is a whole number from 1, not ${given}`);
});
