import { ConfigurationError } from '@drf/tensor';

/**
 * Cosine decay over all steps: `peak` at step 0, `floor` at the last step.
 * @param step 0 … totalSteps − 1
 * @throws ConfigurationError when the step lies outside
 */
export function cosineLearningRate(peak: number, floor: number, step: number, totalSteps: number): number {
  if (!(step >= 0 && step < Math.max(1, totalSteps))) {
    throw new ConfigurationError({
      subject: 'cosineLearningRate',
      expected: `a step from 0 to ${totalSteps - 1}`,
      received: String(step),
    });
  }
  const progress = totalSteps <= 1 ? 0 : step / (totalSteps - 1);
  return floor + 0.5 * (peak - floor) * (1 + Math.cos(Math.PI * progress));
}
