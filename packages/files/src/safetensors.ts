import { CheckpointError, sizeOf, type HostTensor } from '@drf/tensor';
import { writeFileAtomic } from './atomic.js';
import { DTYPE_BYTES, headerLength, LENGTH_BYTES, parseHeader, tensorOf } from './safetensors-format.js';
import { openSafetensors, type TensorDescription } from './safetensors-file.js';

/** Tensors by flat name, and texts about them. */
export interface SafetensorsContent {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: { readonly [name: string]: string };
}

/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header with dtype, shape and offsets of
 * each tensor, then the tensors' bytes, end to end. Any tool that reads safetensors reads these files.
 */
export function encodeSafetensors(content: SafetensorsContent): Uint8Array {
  return Buffer.concat([...safetensorsParts(content)]);
}

/** The same, part by part: the tensors' own bytes, without a copy. */
function* safetensorsParts({ tensors, metadata }: SafetensorsContent): Generator<Uint8Array> {
  const described = [...tensors].map(([name, { shape, dtype }]): [string, TensorDescription] => [
    name,
    { shape, dtype: dtype === 'float32' ? 'F32' : 'I32' },
  ]);
  yield encodeHeader(new Map(described), metadata);
  for (const { data } of tensors.values()) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The file's start: length of the header and the header, padded with spaces so that the data is aligned. */
function encodeHeader(
  tensors: ReadonlyMap<string, TensorDescription>,
  metadata: SafetensorsContent['metadata'],
): Uint8Array {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let offset = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const end = offset + sizeOf(shape) * DTYPE_BYTES[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const start = Buffer.alloc(LENGTH_BYTES + headerBytes, 0x20);
  start.writeBigUInt64LE(BigInt(headerBytes), 0);
  json.copy(start, LENGTH_BYTES);
  return start;
}

/** A tensor whose bytes (little-endian) come part by part, since they are not in memory together. */
export interface StreamedTensor extends TensorDescription {
  readonly parts: AsyncIterable<Uint8Array>;
}

/**
 * Writes tensors that come part by part, the whole file or nothing.
 * @throws CheckpointError for a tensor with more or fewer bytes than its shape says
 */
export async function writeStreamedSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StreamedTensor>,
  metadata: SafetensorsContent['metadata'] = {},
): Promise<void> {
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield encodeHeader(tensors, metadata);
    for (const [name, { shape, dtype, parts }] of tensors) {
      const bytes = sizeOf(shape) * DTYPE_BYTES[dtype];
      let written = 0;
      for await (const part of parts) {
        written += part.length;
        yield part;
      }
      if (written !== bytes) {
        const subject = `Writing ${path}, tensor "${name}"`;
        throw new CheckpointError({ subject, expected: `${bytes} bytes`, received: `${written}` });
      }
    }
  }
  await writeFileAtomic(path, parts());
}

/**
 * Tensors of a file in memory: F32, F16 and BF16 become float32; BOOL, U8, I32 and I64 int32. They share no memory with it.
 * @throws CheckpointError naming the file and what is wrong: truncated, bad header, overlap, unknown dtype.
 */
export function decodeSafetensors(bytes: Uint8Array, subject: string): SafetensorsContent {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = headerLength(buffer, buffer.length, subject);
  const json = buffer.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
  const { entries, metadata, dataStart } = parseHeader(json, buffer.length, subject);
  const tensors = new Map<string, HostTensor>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const copy = new Uint8Array(buffer.subarray(dataStart + begin, dataStart + end)).buffer;
    tensors.set(name, tensorOf(name, dtype, shape, copy, subject));
  }
  return { tensors, metadata };
}

/** Writes the whole file or nothing, tensor by tensor, so that a large one is never in memory twice. */
export async function writeSafetensors(path: string, content: SafetensorsContent): Promise<void> {
  await writeFileAtomic(path, safetensorsParts(content));
}

/**
 * {@link decodeSafetensors} of a file, read tensor by tensor.
 * @throws CheckpointError when the file is damaged; DataError when it is missing or larger than 16 GiB.
 */
export async function readSafetensors(path: string): Promise<SafetensorsContent> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, HostTensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
}
