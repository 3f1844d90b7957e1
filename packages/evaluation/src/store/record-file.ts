import { decodeSafetensors, encodeSafetensors } from '@drf/files';
import { DataError, hostTensor, refuser, type HostTensor } from '@drf/tensor';
import type { TrainingRecord } from './records.js';

const FORMAT = 'drf-training-record/1';

/** What stands in the JSON for an array of numbers, which is a tensor of the file. */
interface TensorReference {
  readonly $tensor: string;
}

/** What stands for a number that JSON does not have. */
interface NumberReference {
  readonly $number: (typeof NUMBERS)[number];
}

const NUMBERS = ['NaN', 'Infinity', '-Infinity', '-0'] as const;

/**
 * A training with its cells as one file: safetensors with its arrays as tensors (float32, int32), and everything else as
 * JSON in the metadata. {@link decodeTraining} gives back every number to the bit.
 */
export function encodeTraining(training: TrainingRecord): Uint8Array {
  const tensors = new Map<string, HostTensor>();
  const record = JSON.stringify(training, (_, value: unknown): unknown => {
    if (value instanceof Float32Array || value instanceof Int32Array) {
      const $tensor = String(tensors.size);
      tensors.set($tensor, hostTensor(value, [value.length]));
      return { $tensor } satisfies TensorReference;
    }
    const $number = NUMBERS.find((name) => Object.is(value, Number(name)));
    return $number === undefined ? value : ({ $number } satisfies NumberReference);
  });
  return encodeSafetensors({ tensors, metadata: { format: FORMAT, record } });
}

/**
 * @param subject the file, for messages
 * @throws CheckpointError when the file is damaged; DataError when it is no training
 */
export function decodeTraining(bytes: Uint8Array, subject: string): TrainingRecord {
  const { tensors, metadata } = decodeSafetensors(bytes, subject);
  const refuse = refuser(DataError, subject);
  if (metadata.format !== FORMAT) {
    throw refuse(`a training of format ${FORMAT}`, metadata.format ?? 'another file', 'remove it');
  }
  const revived = (_: string, value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const { $tensor, $number } = value as Partial<TensorReference & NumberReference>;
    if ($number !== undefined) return Number($number);
    if ($tensor === undefined) return value;
    const tensor = tensors.get($tensor);
    if (tensor === undefined) throw refuse(`tensor ${$tensor}, which its record names`, 'none', 'remove it');
    return tensor.data;
  };
  try {
    return JSON.parse(metadata.record ?? '', revived) as TrainingRecord;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refuse('a record in JSON', error.message, 'remove it', error);
  }
}
