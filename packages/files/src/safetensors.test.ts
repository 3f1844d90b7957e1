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

  it('reads half precision, bfloat16 and 64-bit whole numbers', () => {
    const halves = [0x0000, 0x8000, 0x3c00, 0xc100, 0x7bff, 0x0001, 0x7c00, 0xfc00, 0x7e00, 0x3555];
    const bfloats = [0x0000, 0x3f80, 0xc020, 0x7f7f, 0x7f80, 0x3eab];
    const header = {
      half: { dtype: 'F16', shape: [2, 5], data_offsets: [0, 20] },
      brain: { dtype: 'BF16', shape: [6], data_offsets: [20, 32] },
      whole: { dtype: 'I64', shape: [2], data_offsets: [32, 48] },
    };
    const bytes = fileOf(header, 48);
    const view = new DataView(bytes.buffer, bytes.length - 48);
    [...halves, ...bfloats].forEach((bits, i) => view.setUint16(i * 2, bits, true));
    [-(2n ** 31n), 7n].forEach((number, i) => view.setBigInt64(32 + i * 8, number, true));
    const { tensors } = decodeSafetensors(bytes, 'test');
    const third = 0.333251953125; // the half-precision number next to 1/3
    const expected = [0, -0, 1, -2.5, 65504, 2 ** -24, Infinity, -Infinity, NaN, third];
    expect(tensors.get('half')).toEqual(hostTensor(expected, [2, 5]));
    expect(tensors.get('brain')).toEqual(hostTensor([0, 1, -2.5, 3.3895313892515355e38, Infinity, 0.333984375], [6]));
    expect(tensors.get('whole')).toEqual(hostTensor(Int32Array.of(-(2 ** 31), 7), [2]));
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
    [
      'a header longer than the file',
      fileOf('{}', 0, 11),
      'a header of at most 2 bytes, received a header length of 11',
    ],
    ['a header of 2^60 bytes', fileOf('{}', 0, 2 ** 60), 'received a header length of 1152921504606846976'],
    ['no JSON', fileOf('{"a": '), 'expected a JSON header'],
    ['a list', fileOf([]), 'expected a header that is an object, received []'],
    ['null', fileOf('null'), 'expected a header that is an object, received null'],
    ['metadata that is null', fileOf({ __metadata__: null }), 'expected __metadata__ that maps names to texts'],
    ['metadata of numbers', fileOf({ __metadata__: { a: 1 } }), 'received {"a":1}'],
    ['a tensor that is null', fileOf({ a: null }), 'expected shape and offsets of "a", received null'],
    ['no shape', fileOf({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4), 'expected shape and offsets of "a"'],
    ['a negative size', fileOf({ a: entry([-1], [0, 4]) }, 4), 'expected shape and offsets of "a"'],
    [
      'a dtype that no tensor here has',
      fileOf({ a: { ...entry([2], [0, 16]), dtype: 'F64' } }, 16),
      'expected dtype F32, F16, BF16, BOOL, U8, I32 or I64 for "a", received F64; convert the tensor',
    ],
    [
      'an unknown dtype',
      fileOf({ a: { ...entry([1], [0, 2]), dtype: 'F12' } }, 2),
      'a known dtype for "a", received F12',
    ],
    ['a whole number beyond 32 bits', int64File(2n ** 31n), 'expected 32-bit numbers in "a", received 2147483648'],
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

function int64File(number: bigint): Uint8Array {
  const bytes = fileOf({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, 8);
  new DataView(bytes.buffer, bytes.length - 8).setBigInt64(0, number, true);
  return bytes;
}
