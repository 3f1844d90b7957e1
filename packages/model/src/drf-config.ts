import { DEFAULT_EXPONENT_LIMIT } from '@drf/distribution';
import type { WeightingMode } from '@drf/fusion';
import type { FeatureNorm } from './projection.js';

/** The five switches of the paper's Table 4; all on is DRF. */
export interface DrfAblations {
  /** Sample-based recovery losses (Eq. 4, 5). */
  readonly sampleRecovery: boolean;
  /** Distribution-based recovery losses (Eq. 6, 7). */
  readonly distributionRecovery: boolean;
  /** Weights from Gaussian densities (Eq. 9-11); off: equal weights. */
  readonly gaussianProbability: boolean;
  /** Three pairs a post; off: only the original pair, a missing modality filled by recovery. */
  readonly pairExpansion: boolean;
  /** Distribution constraint (Eq. 3). */
  readonly distributionConstraint: boolean;
}

/** Factors of the parts of Eq. 16. */
export interface DrfLossScales {
  readonly distribution: number;
  readonly recovery: number;
  readonly classification: number;
}

/** Sizes, weighting, losses and ablations of DRF as published. */
export interface DrfConfig {
  /** Width of the shared feature space; an encoder of another width gets a projection. */
  readonly dim: number;
  /** Width of the converters' hidden layer. */
  readonly converterHidden: number;
  /** Width of the fusion network's hidden layers. */
  readonly fusionHidden: number;
  /** Layers of the fusion network; the paper's has 3. */
  readonly fusionLayers: 2 | 3;
  /** L, rows of each queue. */
  readonly queueCapacity: number;
  /** How densities become pair weights; the paper's is `density`. */
  readonly weighting: WeightingMode;
  /** Whether Eq. 4's gradient reaches its target, as printed; off: the target is a constant. */
  readonly recoveryTargetGradient: boolean;
  /** What is done to features in the shared space; the paper says nothing of it. */
  readonly featureNorm: FeatureNorm;
  readonly lossScales: DrfLossScales;
  /** See `distributionConstraint`. */
  readonly exponentLimit: number;
  readonly ablations: DrfAblations;
}

/** The paper's DRF to the letter at a given width (768 there). */
export function drfConfig(dim: number, overrides: Partial<DrfConfig> = {}): DrfConfig {
  return {
    dim,
    converterHidden: dim,
    fusionHidden: dim,
    fusionLayers: 3,
    queueCapacity: 512,
    weighting: 'density',
    recoveryTargetGradient: true,
    featureNorm: 'none',
    lossScales: { distribution: 1, recovery: 1, classification: 1 },
    exponentLimit: DEFAULT_EXPONENT_LIMIT,
    ablations: {
      sampleRecovery: true,
      distributionRecovery: true,
      gaussianProbability: true,
      pairExpansion: true,
      distributionConstraint: true,
    },
    ...overrides,
  };
}
