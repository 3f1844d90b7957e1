// Stands in for @drf/datasets' shards until they are merged.
import { stat } from 'node:fs/promises';
import {
  countUnlabeledPosts,
  readUnlabeledPosts,
  type ColumnNames,
  type EncodingChoice,
  type UnlabeledOptions,
  type UnlabeledResult,
} from '@drf/datasets';
import type { Storage } from '@drf/files';

export interface Shard {
  readonly file: number;
  readonly row: number;
  readonly rows: number;
}
export interface ShardPlan {
  readonly location: string;
  readonly files: readonly {
    readonly path: string;
    readonly bytes: number;
    readonly version: string;
    readonly rows: number;
    readonly columns: readonly string[] | null;
  }[];
  readonly shards: readonly Shard[];
}
export interface ShardOptions {
  columns?: ColumnNames;
  encoding?: EncodingChoice;
  except?: string;
  shardPosts: (rows: number) => number;
  onNote?: (message: string) => void;
}

export async function planShards(input: string, options: ShardOptions): Promise<ShardPlan> {
  const rows = await countUnlabeledPosts(input, options);
  const { size, mtimeMs } = await stat(input);
  const each = options.shardPosts(rows);
  const shards = Array.from({ length: Math.ceil(rows / each) }, (_, i) => ({
    file: 0,
    row: i * each,
    rows: Math.min(each, rows - i * each),
  }));
  return {
    location: input,
    files: [{ path: input, bytes: size, version: `${size}-${mtimeMs}`, rows, columns: null }],
    shards,
  };
}

export async function* readShard(
  _: Storage,
  plan: ShardPlan,
  shard: Shard,
  options: UnlabeledOptions,
): AsyncGenerator<UnlabeledResult & { file?: string }> {
  if (shard.rows === 0) return;
  for await (const result of readUnlabeledPosts(plan.location, { ...options, skip: shard.row })) {
    if (result.row > shard.row + shard.rows) return;
    yield result;
    if (result.row === shard.row + shard.rows) return;
  }
}
