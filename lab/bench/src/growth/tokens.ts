import { createEngine } from '@drf/engine';
import { createEncoderWorkload, type EncoderSizes, type MODES } from '../encoders/workload.js';
import { calledOperation, type Operation, type Topic } from './topic.js';

/** Of a small BERT. */
const SIZES: Omit<EncoderSizes, 'length'> = {
  batch: 8,
  image: 32,
  patch: 16,
  dim: 128,
  layers: 4,
  heads: 4,
  vocabulary: 1000,
  queue: 64,
  recompute: false,
};

/** Attention compares all tokens with all, which is quadratic; everything else is linear. */
const ATTENTION = { time: 2, memory: 2 };

function operation(mode: (typeof MODES)[number], words: string): Operation {
  return calledOperation({ name: mode, words, atMost: ATTENTION }, async (length) => {
    const engine = await createEngine('compiled');
    const workload = await createEncoderWorkload(engine, 'bert', mode, { ...SIZES, length });
    return {
      call: (number) => workload.call(number),
      close: async () => {
        await workload.dispose();
        await engine.dispose();
      },
    };
  });
}

/** What grows with the length of the texts. */
export const TOKENS: Topic = {
  name: 'tokens',
  unit: 'tokens',
  sizes: [16, 32, 64, 128, 256, 512],
  smallest: 2,
  operations: [
    operation('forward', `${SIZES.batch} texts through a BERT of ${SIZES.layers} layers and ${SIZES.dim} values`),
    operation('step', 'a training step of it'),
  ],
};
