export {
  assertStrategy,
  corruptionStrategies,
  fixedStrategies,
  formatStrategy,
  moduleOf,
  PAPER_RATIOS,
  parseCorruption,
  parseStrategy,
  randomStrategies,
  SETTINGS,
  strategyFileName,
  type CorruptionStrategy,
  type MissingStrategy,
  type Operation,
  type Seed,
  type Setting,
  type SevereCorruption,
  type Shares,
  type Strategy,
} from './strategy.js';
export type { Disruption, DisruptionDefinition } from './own-disruption.js';
export {
  corruptedModality,
  CORRUPTION_NAMES,
  corruptionRule,
  isCorruptionName,
  type CorruptionName,
} from './corruptions.js';
export { SEVERITIES, type Severity } from './severity.js';
export { planDisruption, planDisruptions, presenceOf, type DisruptionEntry, type PostPresence } from './plan.js';
export { applyDisruption, disruptionKey, type ApplyOptions, type KeyOptions } from './apply.js';
export { blackenPixels, corruptImage, corruptText, countWords, maskedText, maskWords } from './corrupt.js';
export { blankImage, blankText, fillMissing, type FillOptions, type ImageSize } from './fill.js';
export { formatManifest, parseManifest, type Manifest, type ManifestHeader } from './manifest.js';
export type { SplitMixSeed } from './split-mix.js';
