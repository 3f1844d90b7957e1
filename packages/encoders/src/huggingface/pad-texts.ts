import { hostTensor, type HostTensor } from '@drf/tensor';

/** Token ids as a model reads them. */
export type TextInputs = {
  /** int32 [texts, length] */
  readonly ids: HostTensor;
  /** float32 [texts, length]: 1 token, 0 padding */
  readonly mask: HostTensor;
};

/** Lists of ids as rows of one length; what is left over, and further rows, is padding. */
export function padTexts(
  lists: readonly (readonly number[])[],
  rows: number,
  length: number,
  paddingId: number,
): TextInputs {
  const ids = new Int32Array(rows * length).fill(paddingId);
  const mask = new Float32Array(ids.length);
  lists.forEach((list, row) => {
    ids.set(list, row * length);
    mask.fill(1, row * length, row * length + list.length);
  });
  return { ids: hostTensor(ids, [rows, length]), mask: hostTensor(mask, [rows, length]) };
}
