import { MODALITIES } from '@drf/tensor';
import { SETTINGS, type Strategy } from './strategy.js';

/** The ratios dr of the paper's modality-random strategy. */
export const PAPER_RATIOS = [0.2, 0.4, 0.6, 0.8, 1] as const;

type Fixed = Extract<Strategy, { kind: 'modality-fixed' }>;
type Random = Extract<Strategy, { kind: 'modality-random' }>;

/** {image, text} × {C, D, C+D}: the paper's modality-fixed rows. */
export function fixedStrategies(): Fixed[] {
  return MODALITIES.flatMap((modality) =>
    SETTINGS.map((setting): Fixed => ({ kind: 'modality-fixed', modality, setting })),
  );
}

/** dr × {C, D, C+D}: the paper's modality-random rows, unless other ratios are given. */
export function randomStrategies(ratios: readonly number[] = PAPER_RATIOS): Random[] {
  return SETTINGS.flatMap((setting) => ratios.map((ratio): Random => ({ kind: 'modality-random', ratio, setting })));
}
