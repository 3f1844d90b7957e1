import { MODALITIES } from '@drf/tensor';
import { SETTINGS, type Strategy } from './strategy.js';

/** The ratios dr of the paper's modality-random strategy. */
export const PAPER_RATIOS = [0.2, 0.4, 0.6, 0.8, 1] as const;

/** {image, text} × {C, D, C+D}: the paper's modality-fixed rows. */
export function fixedStrategies(): Strategy[] {
  return MODALITIES.flatMap((modality) =>
    SETTINGS.map((setting): Strategy => ({ kind: 'modality-fixed', modality, setting })),
  );
}

/** dr × {C, D, C+D}: the paper's modality-random rows, unless other ratios are given. */
export function randomStrategies(ratios: readonly number[] = PAPER_RATIOS): Strategy[] {
  return SETTINGS.flatMap((setting) => ratios.map((ratio): Strategy => ({ kind: 'modality-random', ratio, setting })));
}
