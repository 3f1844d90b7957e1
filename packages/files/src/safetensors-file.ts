import type { FileHandle } from 'node:fs/promises';
import { CheckpointError, ConfigurationError, type HostTensor } from '@drf/tensor';
import { openBounded, readRange } from './read.js';
import { tensorOf, type SafetensorsDtype } from './safetensors-dtypes.js';
import { headerLength, LENGTH_BYTES, parseHeader, type SafetensorsHeader } from './safetensors-header.js';

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
   * F32, F16 and BF16 become float32, I32 and I64 int32.
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

export function unknownTensor(subject: string, name: string): ConfigurationError {
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
