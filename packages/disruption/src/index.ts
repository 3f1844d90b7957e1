export {
  assertStrategy,
  fixedStrategies,
  formatStrategy,
  moduleOf,
  PAPER_RATIOS,
  parseStrategy,
  randomStrategies,
  SETTINGS,
  strategyFileName,
  type Operation,
  type Seed,
  type Setting,
  type Shares,
  type Strategy,
} from './strategy.js';
export type { Disruption, DisruptionDefinition } from './own-disruption.js';
export { planDisruption, planDisruptions, presenceOf, type DisruptionEntry, type PostPresence } from './plan.js';
export { applyDisruption, disruptionKey, type ApplyOptions, type KeyOptions } from './apply.js';
export { blackenPixels, corruptImage, corruptText, countWords, maskedText, maskWords } from './corrupt.js';
export { blankImage, blankText, fillMissing, type FillOptions, type ImageSize } from './fill.js';
export { formatManifest, parseManifest, type Manifest, type ManifestHeader } from './manifest.js';
export type { SplitMixSeed } from './split-mix.js';
