import { hostTensor, type HostTensor } from '@drf/tensor';
import { DEFAULT_MASK_TOKEN, type TextEncoder } from '../contract.js';

/** An encoder for tests of what stands around encoders: counts its work; feature i of a text is its length + i. */
export type CountingEncoder = TextEncoder & { readonly encodedTexts: string[] };

export function featureOf(text: string, outputDim = 4): number[] {
  return Array.from({ length: outputDim }, (_, i) => text.length + i);
}

export function countingEncoder(
  options: {
    readonly id?: string;
    readonly outputDim?: number;
    readonly feature?: (text: string) => number[];
    readonly delay?: () => Promise<void>;
  } = {},
): CountingEncoder {
  const { id = 'counting:v1', outputDim = 4, feature = (text) => featureOf(text, outputDim), delay } = options;
  const encodedTexts: string[] = [];
  return {
    id,
    modality: 'text',
    outputDim,
    trainable: false,
    maskToken: DEFAULT_MASK_TOKEN,
    encodedTexts,
    preprocess: async () => ({}),
    encode: async (texts): Promise<HostTensor> => {
      await delay?.();
      const rows = texts.flatMap((text) => feature(text));
      encodedTexts.push(...texts);
      return hostTensor(rows, [texts.length, outputDim]);
    },
    dispose: async () => undefined,
  };
}
