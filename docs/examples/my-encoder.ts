// An encoder of one's own: pnpm train quickstart --encoders.text ./my-encoder.ts --encoders.options.text dim=128
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { hostTensor } from '@drf/tensor';
import type { EncoderDefinition, TextEncoder } from '@drf/encoders';

const options = z.strictObject({ dim: z.int().min(2).default(256).describe('width of the features') });

/**
 * Each word adds 1 or −1 at a place that its hash says; features have length 1.
 * Source: Weinberger et al., "Feature hashing for large scale multitask learning" (ICML 2009).
 */
function hashWords(text: string, dim: number): Float32Array {
  const feature = new Float32Array(dim);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const hash = createHash('sha256').update(word).digest();
    feature[hash.readUInt32LE(0) % dim]! += hash[4]! % 2 === 0 ? 1 : -1;
  }
  const length = Math.hypot(...feature) || 1;
  return feature.map((value) => value / length);
}

export default {
  name: 'hashed-words',
  options,
  needs: { modalities: ['text'] },
  create: ({ dim }, { id }): TextEncoder => ({
    id, // follows this file and the options, so that no cached feature of another version is taken
    modality: 'text',
    outputDim: dim,
    trainable: false,
    maskToken: '[MASK]',
    preprocess: async () => ({}), // nothing runs on an engine
    encode: async (texts) => {
      const rows = texts.flatMap((text) => [...hashWords(text, dim)]);
      return hostTensor(rows, [texts.length, dim]);
    },
    dispose: async () => undefined,
  }),
} satisfies EncoderDefinition<typeof options>;
