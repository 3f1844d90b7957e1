import type { Judgment, PostContent } from '@drf/predict';
import type { ModelDescription } from '../schemas.js';

export const MODEL: ModelDescription = {
  version: '1.2.3',
  classes: ['positive', 'negative'],
  method: 'drf',
  encoders: { image: 'tiny-image', text: 'tiny-text' },
  run: 'tiny',
  checkpoint: 'step-1.safetensors',
  engine: 'eager:cpu',
  imageSize: 8,
  maskToken: '[MASK]',
  calibration: { temperature: 1.5, quality: { image: [-2, -1, 0], text: null } },
};

/** A judgment that depends on every pixel and letter of its post, and on nothing else. */
export function judgmentOf({ image, text }: PostContent): Judgment {
  let sum = 1;
  for (const byte of [...(image?.data ?? []), ...Buffer.from(text ?? '')]) sum = (sum * 31 + byte) % 9973;
  const positive = sum / 9973;
  return {
    label: positive >= 0.5 ? 'positive' : 'negative',
    probabilities: { positive, negative: 1 - positive },
    quality: { image: image === null ? null : positive / 3, text: text === null ? null : positive / 7 },
    logDensity: { image: image === null ? null : -positive, text: text === null ? null : -1 / positive },
    pairWeights: { original: 0.5, imageAndRecoveredText: 0.25, recoveredImageAndText: 0.25 },
    recovered: image === null ? 'image' : text === null ? 'text' : null,
    unfamiliar: false,
  };
}
