import { hostTensor, type HostTensor } from '@drf/tensor';

/** Token ids as a model reads them. */
export type TextInputs = {
  /** int32 [texts, length] */
  readonly ids: HostTensor;
  /** float32 [texts, length]: 1 token, 0 padding */
  readonly mask: HostTensor;
};

/** Fills lists of ids up to one length. */
export function padTexts(lists: readonly (readonly number[])[], length: number, paddingId: number): TextInputs {
  const shape = [lists.length, length];
  const ids = new Int32Array(lists.length * length).fill(paddingId);
  const mask = new Float32Array(ids.length);
  lists.forEach((list, row) => {
    ids.set(list, row * length);
    mask.fill(1, row * length, row * length + list.length);
  });
  return { ids: hostTensor(ids, shape), mask: hostTensor(mask, shape) };
}
