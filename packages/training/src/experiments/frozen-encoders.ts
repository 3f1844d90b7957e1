import type { MethodOptions } from '@drf/experiment';

/**
 * Model options for frozen encoders, whose features differ widely in scale (pooled MobileNet activations beside unit
 * vectors of a sentence encoder), unlike those of the paper's fine-tuned transformers. Measured on MVSA-Single's
 * validation split (docs/decisions/03-three-forms-of-drf.md): without standardization the text hardly counts; at the
 * paper's loss factors of 1 the recovery losses outweigh classification tenfold and pull the projections together.
 */
export const FROZEN_ENCODERS = {
  standardize: true,
  lossScales: { distribution: 0.01, recovery: 0.01, classification: 1 },
};

/** `drf-paper` is the paper to the letter with frozen encoders, too: factors of 1, features as they come. */
export const BY_METHOD: MethodOptions = {
  'drf-paper': { model: { standardize: false, lossScales: { distribution: 1, recovery: 1, classification: 1 } } },
};
