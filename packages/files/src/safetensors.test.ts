import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, DataError, hostTensor, sizeOf, type HostTensor } from '@drf/tensor';
import { decodeSafetensors, encodeSafetensors, readSafetensors, writeSafetensors } from './index.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-safetensors-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A file by hand: header text and bytes of data. */
function fileOf(header: unknown, dataBytes = 0, headerLength?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const example = {
  tensors: new Map<string, HostTensor>([
    ['fusion.kernel', hostTensor([1, -2.5, NaN, Infinity, 1e-45, 0], [2, 3])],
    ['step', hostTensor(Int32Array.of(-7), [])],
    ['empty', hostTensor([], [0, 4])],
  ]),
  metadata: { format: 'drf', 'schlüssel "x"': '😀\n' },
};

describe('safetensors', () => {
  it('comes back as it was, bit by bit', () => {
    const decoded = decodeSafetensors(encodeSafetensors(example), 'test');
    expect(decoded).toEqual(example);
    expect([...decoded.tensors.keys()]).toEqual([...example.tensors.keys()]);
  });

  it('has the published layout: length, JSON header, then the bytes end to end', () => {
    const bytes = encodeSafetensors({ tensors: new Map([['a', hostTensor([1], [1])]]), metadata: {} });
    const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    expect(headerLength % 8).toBe(0);
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
    expect(header).toEqual({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });
    expect([...bytes.subarray(8 + headerLength)]).toEqual([0, 0, 0x80, 0x3f]); // 1 as little-endian float32
  });

  it('reads a file that another tool wrote: unaligned data, tensors in another order than their bytes', () => {
    const header = {
      second: { dtype: 'I32', shape: [1], data_offsets: [4, 8] },
      first: { dtype: 'F32', shape: [1, 1], data_offsets: [0, 4] },
    };
    const bytes = fileOf(header, 8);
    bytes.set([0, 0, 0x80, 0x3f, 5, 0, 0, 0], bytes.length - 8);
    const { tensors, metadata } = decodeSafetensors(bytes, 'test');
    expect(tensors.get('first')).toEqual(hostTensor([1], [1, 1]));
    expect(tensors.get('second')).toEqual(hostTensor(Int32Array.of(5), [1]));
    expect(metadata).toEqual({});
  });

  it('does not share memory with the file', () => {
    const bytes = encodeSafetensors(example);
    const { tensors } = decodeSafetensors(bytes, 'test');
    bytes.fill(0);
    expect(tensors.get('step')?.data[0]).toBe(-7);
  });

  it('round-trips whatever the shapes and names', () => {
    const shape = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
    const name = fc.string({ minLength: 1 }).filter((text) => text !== '__metadata__' && text !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(name, shape), fc.boolean(), (shapes, whole) => {
        const tensors = new Map(
          Object.entries(shapes).map(([key, size]) => {
            const numbers = Array.from({ length: sizeOf(size) }, (_, i) => i - 3);
            return [key, hostTensor(whole ? Int32Array.from(numbers) : numbers, size)] as const;
          }),
        );
        expect(decodeSafetensors(encodeSafetensors({ tensors, metadata: {} }), 'test').tensors).toEqual(tensors);
      }),
      { seed: 6 },
    );
  });

  it('refuses every truncation', () => {
    const bytes = encodeSafetensors(example);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSafetensors(bytes.subarray(0, length), 'cut.safetensors')).toThrow(CheckpointError);
    }
    expect(() => decodeSafetensors(bytes.subarray(0, bytes.length - 1), 'cut.safetensors')).toThrow(
      /^cut\.safetensors expected 28 bytes of data, received 27 bytes; the file is truncated, damaged or not safetensors/,
    );
  });

  it.each([
    ['bytes after the end', fileOf({ a: entry([1], [0, 4]) }, 5), 'expected 4 bytes of data, received 5 bytes'],
    ['a huge header', fileOf('{}', 0, 2 ** 52), `received a header length of ${2 ** 52}`],
    ['no JSON', fileOf('{"a": '), 'expected a JSON header'],
    ['a list', fileOf([]), 'expected a header that is an object, received []'],
    ['null', fileOf('null'), 'expected a header that is an object, received null'],
    ['metadata that is null', fileOf({ __metadata__: null }), 'expected __metadata__ that maps names to texts'],
    ['metadata of numbers', fileOf({ __metadata__: { a: 1 } }), 'received {"a":1}'],
    ['a tensor that is null', fileOf({ a: null }), 'expected shape and offsets of "a", received null'],
    ['no shape', fileOf({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4), 'expected shape and offsets of "a"'],
    ['a negative size', fileOf({ a: entry([-1], [0, 4]) }, 4), 'expected shape and offsets of "a"'],
    ['another dtype', fileOf({ a: { ...entry([1], [0, 2]), dtype: 'F16' } }, 2), 'F32 or I32 for "a", received F16'],
    ['an odd dtype', fileOf({ a: { ...entry([1], [0, 4]), dtype: 'toString' } }, 4), 'received toString'],
    ['too few bytes', fileOf({ a: entry([2], [0, 4]) }, 4), 'expected 8 bytes for "a", received offsets 0 to 4'],
    ['a reversed range', fileOf({ a: entry([1], [4, 0]) }, 4), 'received offsets 4 to 0'],
    ['a range outside', fileOf({ a: entry([1], [4, 8]) }, 4), 'expected "a" at offset 0, received offset 4'],
    [
      'an overlap',
      fileOf({ a: entry([2], [0, 8]), b: entry([1], [4, 8]) }, 8),
      'expected "b" at offset 8, received offset 4',
    ],
    ['a hole', fileOf({ a: entry([1], [0, 4]), b: entry([1], [8, 12]) }, 12), 'expected "b" at offset 4'],
    ['sizes beyond all bounds', fileOf({ a: entry([2 ** 40, 2 ** 40], [0, 4]) }, 4), 'bytes for "a"'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'bad.safetensors')).toThrow(CheckpointError);
    expect(() => decodeSafetensors(bytes, 'bad.safetensors')).toThrow(message);
  });

  it('never fails with anything but a CheckpointError on damaged files', () => {
    const whole = encodeSafetensors(example);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (position, flipped) => {
        const damaged = Uint8Array.from(whole);
        damaged[position] = (damaged[position] as number) ^ flipped;
        try {
          decodeSafetensors(damaged, 'damaged');
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('goes to disk and back', async () => {
    const path = join(folder, 'a.safetensors');
    await writeSafetensors(path, example);
    expect(await readSafetensors(path)).toEqual(example);
  });

  it('names the file on disk', async () => {
    const path = join(folder, 'b.safetensors');
    await writeFile(path, 'short');
    await expect(readSafetensors(path)).rejects.toThrow(`${path} expected a safetensors header, received 5 bytes`);
    await expect(readSafetensors(join(folder, 'missing'))).rejects.toThrow(DataError);
  });
});

function entry(shape: number[], offsets: [number, number]): object {
  return { dtype: 'F32', shape, data_offsets: offsets };
}
