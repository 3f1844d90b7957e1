import { hostTensor, type HostTensor } from '@drf/tensor';

/** What {@link padTokens} makes. */
type PaddedTokens = { readonly tokens: HostTensor; readonly mask: HostTensor };

/** Token lists padded to a length: tokens int32 [texts, length] and mask float32 [texts, length]. */
export function padTokens(tokenLists: readonly (readonly number[])[], length: number): PaddedTokens {
  const shape = [tokenLists.length, length];
  const tokens = new Int32Array(tokenLists.length * length);
  const mask = new Float32Array(tokenLists.length * length);
  tokenLists.forEach((list, row) => {
    tokens.set(list, row * length);
    mask.fill(1, row * length, row * length + list.length);
  });
  return { tokens: hostTensor(tokens, shape), mask: hostTensor(mask, shape) };
}
