import type { ExperimentConfig } from './schema.js';

/** Sizes and loss factors of the compared methods that have no others. */
const COMPACT = {
  width: 128,
  hops: 3,
  heads: 4,
  words: 1024,
  objects: 64,
  scenes: 32,
  imageLayers: 1,
  fusionLayers: 2,
  contrastiveScale: 0.1,
  contrastiveTemperature: 0.07,
  restraintScale: 0.1,
  calibration: 0.5,
};

type Sizes = typeof COMPACT;

/** From the authors' public code: train-single.sh, main.py and model.py of CLMLF; run.sh and the models of MGNNS. */
const AUTHORS: { readonly [method: string]: Partial<Sizes> } = {
  clmlf: { width: 768, heads: 12, imageLayers: 2, fusionLayers: 3, contrastiveScale: 1 },
  mgnns: { width: 300, heads: 4, objects: 80, scenes: 365 },
};

/** From which conditional probability on image nodes are neighbors in the authors' form of MGNNS. */
const AUTHORS_THRESHOLDS = { objects: 0.6, scenes: 0.5 };

/** The form that a preset means for a method: methods without public code have but one. */
export function formOf({ method, compared }: Pick<ExperimentConfig, 'method' | 'compared'>): 'compact' | 'authors' {
  return compared.preset === 'authors' && method in AUTHORS ? 'authors' : 'compact';
}

/** The options of a compared method: those given, then those of its preset, then the compact ones. */
export function comparedOptions(
  config: Pick<ExperimentConfig, 'method' | 'compared'>,
): Sizes & { readonly thresholds?: typeof AUTHORS_THRESHOLDS } {
  const isAuthors = formOf(config) === 'authors';
  const own = isAuthors ? AUTHORS[config.method] : {};
  const set = Object.fromEntries(
    Object.entries(config.compared).filter(([name, value]) => name !== 'preset' && value !== undefined),
  );
  return { ...COMPACT, ...own, ...set, ...(isAuthors ? { thresholds: AUTHORS_THRESHOLDS } : {}) };
}

/**
 * Options as a run records them: of the compact preset every one, of `authors` those given, since the others are a matter
 * of the method, which a grid decides later.
 */
export function recordedOptions(compared: ExperimentConfig['compared']): ExperimentConfig['compared'] {
  return compared.preset === 'compact' ? { ...COMPACT, ...compared } : compared;
}
