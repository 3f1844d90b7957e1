// Posts in object storage, over the protocol: a server in this process answers the real client.
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { openStorage } from '@drf/storage';
import { pointClientAt, startS3Server, type S3TestServer } from '@drf/storage/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { countUnlabeledPosts, openDataset, planShards, readShard, readUnlabeledPosts } from '../index.js';
import { smallJpeg } from '../testing/folders.js';

const decoding = { width: 4, height: 4, fit: 'stretch', maximumPixels: 1e6 } as const;

let server: S3TestServer;
beforeEach(async () => {
  server = await startS3Server({ pageSize: 2 });
  pointClientAt(server);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

function put(key: string, body: string | Uint8Array): void {
  server.objects.set(`bucket/${key}`, { body: Buffer.from(body), metadata: {} });
}

describe('posts in object storage', () => {
  it('are learned from: images lie below the prefix, or in the table', async () => {
    const jpeg = await smallJpeg(1);
    put('posts/images/1.jpg', jpeg);
    put('other/1.jpg', jpeg);
    put(
      'posts/train.csv.gz',
      gzipSync(
        'id,image,text,label\n1,images/1.jpg,a,x\n2,s3://bucket/posts/images/1.jpg,b,y\n3,s3://bucket/other/1.jpg,c,x\n',
      ),
    );
    put('posts/val.jsonl', `${JSON.stringify({ id: '4', image: { bytes: jpeg.toString('base64') }, label: 'x' })}\n`);
    const dataset = await openDataset({
      name: 'posts',
      file: ['s3://bucket/posts/train.csv.gz', 's3://bucket/posts/val.jsonl'],
      imageSize: 4,
    });
    expect(dataset.ledger.source).toBe('s3://bucket/posts/train.csv.gz, s3://bucket/posts/val.jsonl');
    expect(dataset.records.map(({ id, split }) => [id, split])).toEqual([['1', 'train'], ['2', 'train'], ['4', 'val']]); // prettier-ignore
    const pixels = await Promise.all(dataset.records.map(async (record) => (await dataset.read(record)).image?.data));
    expect(new Set(pixels.map(String)).size).toBe(1);
    expect(dataset.ledger.dropped.map(({ reason, detail }) => [reason, detail])).toEqual([
      ['path outside the root', 'train.csv.gz, line 4, column image expected a path inside s3://bucket/posts, received one that leads outside; name a file below that prefix, or choose another root'],
    ]); // prettier-ignore
  });

  it('are judged as from a folder, and refused once they have changed', async () => {
    put('posts/1.jpg', await smallJpeg(1));
    put('posts/a.csv', 'image,text\n1.jpg,a\n,b\n2.jpg,c\n');
    const text = Array.from({ length: 3000 }, (_, index) => `row ${index}`);
    const columnData = [{ name: 'text', data: text, type: 'STRING' as const }];
    put('posts/b.parquet', new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 500 })));
    const found: unknown[] = [];
    for await (const row of readUnlabeledPosts('s3://bucket/posts/a.csv', { decoding })) {
      found.push('error' in row ? row.error.reason : [row.id, row.post.text, row.post.image?.width]);
    }
    expect(found).toEqual([['a.csv, line 2', 'a', 4], ['a.csv, line 3', 'b', undefined], 'missing image']); // prettier-ignore
    expect(await countUnlabeledPosts('s3://bucket/posts/b.parquet')).toBe(3000);

    const plan = await planShards('s3://bucket/posts', { rowsPerShard: 1000 });
    expect([plan.rows, plan.location]).toEqual([3003, 's3://bucket/posts']);
    const storage = await openStorage(plan.location);
    const texts: unknown[] = [];
    for (const shard of plan.shards.keys()) {
      for await (const row of readShard(storage, plan, shard, { decoding }))
        if ('post' in row) texts.push(row.post.text);
    }
    expect(texts).toEqual(['a', 'b', ...text]);
    put('posts/b.parquet', 'PAR1 anew');
    const last = readShard(storage, plan, plan.shards.length - 1, { decoding }).next();
    await expect(last).rejects.toThrow(/s3:\/\/bucket\/posts\/b.parquet/);
  });
});
