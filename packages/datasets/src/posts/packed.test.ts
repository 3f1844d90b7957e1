// What is read of files that would take more memory than there is.
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type * as hyparquet from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, vi } from 'vitest';
import { countUnlabeledPosts, openDataset, planShards } from '../index.js';
import { folderWith } from '../testing/folders.js';

let groupBytes: bigint | undefined;
vi.mock('hyparquet', async (original) => {
  const real = await original<typeof hyparquet>();
  return {
    ...real,
    parquetMetadataAsync: async (...given: Parameters<typeof real.parquetMetadataAsync>) => {
      const metadata = await real.parquetMetadataAsync(...given);
      for (const { columns } of metadata.row_groups) {
        for (const { meta_data: data } of columns) if (data !== undefined) data.total_uncompressed_size = groupBytes ?? data.total_uncompressed_size; // prettier-ignore
      }
      return metadata;
    },
  };
});

describe('a file that is small as it lies', () => {
  it('costs the line that is too long once it is unpacked, and no memory', async () => {
    const content = Buffer.concat([
      Buffer.from('text,label\na,x\n'),
      Buffer.alloc(40 * 1024 * 1024, 'a'),
      Buffer.from('\nb,y\n'),
    ]);
    const folder = await folderWith({ 'posts.csv.gz': gzipSync(content) });
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'posts.csv.gz') });
    expect(dataset.records.map(({ line }) => line)).toEqual([2, 4]);
    expect(dataset.ledger.dropped.map(({ detail }) => detail)).toEqual([
      'posts.csv.gz, line 3 expected a line of at most 33554432 bytes, received a longer one; shorten or remove the line',
    ]);
  });

  it('is refused by name where a row group is too large, unless it is indexed by pages', async () => {
    const data = Array.from({ length: 40 }, (_, index) => `text ${index}`);
    const columnData = [{ name: 'text', data, type: 'STRING' as const }];
    const bytesOf = (offsetIndex: boolean): Uint8Array =>
      new Uint8Array(
        parquetWriteBuffer({ columnData: columnData.map((column) => ({ ...column, offsetIndex })), pageSize: 64 }),
      );
    const folder = await folderWith({ 'a.parquet': bytesOf(false), 'b.parquet': bytesOf(true) });
    groupBytes = 2n ** 31n;
    await expect(planShards(join(folder, 'a.parquet'))).rejects.toThrow(
      `Reading ${join(folder, 'a.parquet')} expected row groups of at most 1073741824 bytes, or an index of their pages, received 2147483648 bytes in row group 1 of 40 rows; write it with smaller row groups (row_group_size), or with write_page_index=True`,
    );
    expect((await planShards(join(folder, 'b.parquet'))).rows).toBe(40);
    expect(await countUnlabeledPosts(join(folder, 'b.parquet'))).toBe(40); // in steps of a row or so
  });
});
