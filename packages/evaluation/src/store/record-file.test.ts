import { encodeSafetensors } from '@drf/files';
import { hostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { decodeTraining, encodeTraining } from './record-file.js';
import type { TrainingRecord } from './records.js';

/** Numbers that JSON, or a conversion to text, would change. */
const AWKWARD = [NaN, Infinity, -Infinity, -0, 5e-324, 1 / 3, 0.1 + 0.2, 1e21];

/** Only its arrays and numbers matter here. */
const record = (cells: number): TrainingRecord => ({
  identity: 'an identity',
  resultVersion: 1,
  experiment: 'naïve "tiny"',
  fold: null,
  method: 'drf',
  without: null,
  config: {} as TrainingRecord['config'],
  versions: { node: '', platform: '', packages: {}, git: null },
  encoders: { image: '', text: '' },
  engine: '',
  best: { epoch: 1, step: 2, score: -0 },
  seconds: NaN,
  parameters: 10,
  memoryBytes: null,
  folder: 'trainings/one',
  epochs: [],
  posts: { classes: ['a', 'b'], ids: ['1', '2'], labels: Int32Array.of(1, -1), hash: '', dataset: '', split: 'test' },
  cells: Array.from({ length: cells }, (_, cell) => ({
    identity: `cell ${cell}`,
    testedOn: { kind: 'none' },
    report: { awkward: AWKWARD } as object as TrainingRecord['cells'][number]['report'],
    quality: null,
    manifest: null,
    probabilities: Float32Array.from([...AWKWARD, cell]),
    available: { image: Float32Array.of(1, 0), text: Float32Array.of(0, 1) },
    densities: { image: Float32Array.of(-1.5), text: null, recoveredImage: null, recoveredText: new Float32Array() },
    weights: null,
    features: [],
  })),
});

/** Every bit of every number: `toEqual` takes a signaling NaN for another one. */
const bits = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);

describe('the file of a training', () => {
  it('gives back every number to the bit', () => {
    const training = record(3);
    const signaling = new Float32Array(Uint32Array.of(0x7fa00001, 0xff812345).buffer);
    const given = { ...training, cells: training.cells.map((cell) => ({ ...cell, probabilities: signaling })) };
    for (const one of [training, given]) {
      const read = decodeTraining(encodeTraining(one), 'a file');
      expect(read).toEqual(one);
      for (const [place, { probabilities }] of read.cells.entries()) {
        const before = one.cells[place]?.probabilities ?? new Float32Array();
        expect(bits(probabilities).equals(bits(before))).toBe(true);
      }
    }
  });

  it('gives the same bytes for the same training', () => {
    expect(Buffer.from(encodeTraining(record(2))).equals(encodeTraining(record(2)))).toBe(true);
  });

  it('takes a training without cells or posts', () => {
    const training = { ...record(0), posts: { ...record(0).posts, labels: new Int32Array(), ids: [] } };
    expect(decodeTraining(encodeTraining(training), 'a file')).toEqual(training);
  });

  it.each<[string, Uint8Array, string]>([
    ['cut short', encodeTraining(record(1)).subarray(0, -4), 'a file expected'],
    ['empty', new Uint8Array(), 'a file expected a safetensors header, received 0 bytes'],
    [
      'something else',
      encodeSafetensors({ tensors: new Map([['a', hostTensor([1], [1])]]), metadata: {} }),
      'a file expected a training of format drf-training-record/1, received another file; remove it',
    ],
    [
      'without its record',
      encodeSafetensors({ tensors: new Map(), metadata: { format: 'drf-training-record/1', record: '{' } }),
      'a file expected a record in JSON',
    ],
    [
      'without a tensor',
      encodeSafetensors({
        tensors: new Map(),
        metadata: { format: 'drf-training-record/1', record: '{"posts":{"$tensor":"7"}}' },
      }),
      'a file expected tensor 7, which its record names, received none; remove it',
    ],
  ])('is refused where it is %s', (_, bytes, message) => {
    expect(() => decodeTraining(bytes, 'a file')).toThrow(message);
  });
});
