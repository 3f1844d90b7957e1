import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CheckpointError, ConfigurationError, type HostTensor } from '@drf/tensor';
import { openBounded, readJson, readRange } from './read.js';
import {
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  tensorOf,
  type SafetensorsDtype,
  type SafetensorsHeader,
} from './safetensors-format.js';

/** What a file says about a tensor before its numbers are read. */
export interface TensorDescription {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** Tensors of an open file or of several, whose numbers are read one tensor at a time. */
export interface TensorSource {
  /** The file, as errors name it. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorDescription>;
  readonly metadata: { readonly [name: string]: string };
  /**
   * F32, F16 and BF16 become float32; BOOL, U8, I32 and I64 int32.
   * @throws CheckpointError for another number format, a whole number beyond 32 bits, a file that became shorter;
   * ConfigurationError for a name that is not there
   */
  read(name: string): Promise<HostTensor>;
  /** Closes the file. */
  close(): Promise<void>;
}

const MAXIMUM_BYTES = 16 * 1024 ** 3;

class SafetensorsFile implements TensorSource {
  readonly tensors: ReadonlyMap<string, TensorDescription>;
  readonly metadata: { readonly [name: string]: string };

  constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly header: SafetensorsHeader,
  ) {
    this.tensors = header.entries;
    this.metadata = header.metadata;
  }

  async read(name: string): Promise<HostTensor> {
    const entry = this.header.entries.get(name);
    if (entry === undefined) throw unknownTensor(this.path, name);
    const bytes = await readExactly(
      this.handle,
      this.header.dataStart + entry.begin,
      entry.end - entry.begin,
      this.path,
    );
    return tensorOf(name, entry.dtype, entry.shape, bytes, this.path);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

function unknownTensor(subject: string, name: string): ConfigurationError {
  return new ConfigurationError({ subject, expected: 'the name of one of its tensors', received: `"${name}"` });
}

async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
  subject: string,
): Promise<ArrayBuffer> {
  const bytes = new ArrayBuffer(length);
  const filled = await readRange(handle, Buffer.from(bytes), position);
  if (filled === length) return bytes;
  throw new CheckpointError({
    subject,
    expected: `${length} bytes from ${position}`,
    received: `${filled}`,
    remedy: 'the file became shorter while it was read; use another copy',
  });
}

/**
 * Opens a safetensors file: reads its header and no numbers yet. The caller closes it.
 * @throws CheckpointError when the file is damaged; DataError when it is missing or larger than 16 GiB.
 */
export async function openSafetensors(path: string): Promise<TensorSource> {
  const { handle, size } = await openBounded(path, MAXIMUM_BYTES);
  try {
    const start = Buffer.from(await readExactly(handle, 0, Math.min(LENGTH_BYTES, size), path));
    const json = Buffer.from(await readExactly(handle, LENGTH_BYTES, headerLength(start, size, path), path));
    return new SafetensorsFile(path, handle, parseHeader(json, size, path));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const MAXIMUM_INDEX_BYTES = 64 * 1024 * 1024;
const MAXIMUM_SHARDS = 1024;
/** A file beside the index: no folder, no parent, nothing hidden. */
const SHARD_NAME = /^\w[\w.-]*\.safetensors$/;

function refuse(subject: string, expected: string, received: string): CheckpointError {
  return new CheckpointError({ subject, expected, received, remedy: 'use another copy of the model' });
}

/** Name of the shard by name of the tensor. */
async function readWeightMap(path: string): Promise<ReadonlyMap<string, string>> {
  const index = await readJson(path, MAXIMUM_INDEX_BYTES);
  const map = (index as { readonly weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw refuse(path, '"weight_map" that maps tensors to files', JSON.stringify(map)?.slice(0, 100) ?? 'none');
  }
  const outside = Object.values(map).find((shard) => typeof shard !== 'string' || !SHARD_NAME.test(shard));
  if (outside !== undefined) {
    throw refuse(path, 'names of .safetensors files in its own folder', JSON.stringify(outside).slice(0, 100));
  }
  return new Map(Object.entries(map as Readonly<Record<string, string>>));
}

class ShardedSafetensors implements TensorSource {
  readonly metadata = {};
  readonly tensors: ReadonlyMap<string, TensorDescription>;

  constructor(
    readonly path: string,
    private readonly shards: readonly TensorSource[],
    private readonly owners: ReadonlyMap<string, TensorSource>,
  ) {
    this.tensors = new Map(shards.flatMap((shard) => [...shard.tensors]));
  }

  async read(name: string): Promise<HostTensor> {
    const owner = this.owners.get(name);
    if (owner === undefined) throw unknownTensor(this.path, name);
    return owner.read(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.close()));
  }
}

/** Which shard has each tensor. @throws CheckpointError when two have one, or one lacks what the index says */
function findOwners(
  path: string,
  shards: ReadonlyMap<string, TensorSource>,
  weightMap: ReadonlyMap<string, string>,
): ReadonlyMap<string, TensorSource> {
  const owners = new Map<string, TensorSource>();
  for (const shard of shards.values()) {
    for (const name of shard.tensors.keys()) {
      const other = owners.get(name);
      if (other !== undefined) throw refuse(path, `"${name}" in one shard`, `it in ${other.path} and ${shard.path}`);
      owners.set(name, shard);
    }
  }
  for (const [name, file] of weightMap) {
    if (owners.get(name) !== shards.get(file)) throw refuse(path, `"${name}" in ${file}`, 'no such tensor there');
  }
  return owners;
}

/**
 * Opens a model that is saved in several files, by its index (`model.safetensors.index.json`). The caller closes it.
 * @throws CheckpointError when the index or a shard is damaged, or the index names a file outside its folder;
 * DataError when a file is missing
 */
export async function openSafetensorsIndex(path: string): Promise<TensorSource> {
  const weightMap = await readWeightMap(path);
  const names = [...new Set(weightMap.values())];
  if (names.length > MAXIMUM_SHARDS) throw refuse(path, `at most ${MAXIMUM_SHARDS} shards`, `${names.length}`);
  const shards = new Map<string, TensorSource>();
  try {
    for (const name of names) shards.set(name, await openSafetensors(join(dirname(path), name)));
    return new ShardedSafetensors(path, [...shards.values()], findOwners(path, shards, weightMap));
  } catch (error) {
    await Promise.all([...shards.values()].map((shard) => shard.close()));
    throw error;
  }
}
