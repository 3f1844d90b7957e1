export {
  assertStrategy,
  formatStrategy,
  parseStrategy,
  SETTINGS,
  strategyFileName,
  type Operation,
  type Seed,
  type Setting,
  type Shares,
  type Strategy,
} from './strategy.js';
export { fixedStrategies, PAPER_RATIOS, randomStrategies } from './paper-strategies.js';
export {
  decidesAlone,
  planDisruption,
  planDisruptions,
  presenceOf,
  type DisruptionEntry,
  type PostPresence,
} from './plan.js';
export { applyDisruption, type ApplyOptions } from './apply.js';
export { blackenPixels, corruptImage } from './corrupt-image.js';
export { corruptText, countWords, DEFAULT_MASK, maskedText, maskWords } from './corrupt-text.js';
export { blankImage, blankText, fillMissing, type FillOptions, type ImageSize } from './fill.js';
export { FRACTION_RANGE } from './fraction.js';
export { disruptionKey, INTACT_KEY, type KeyOptions } from './key.js';
export { formatManifest, parseManifest, type Manifest } from './manifest.js';
export type { ManifestHeader } from './manifest-header.js';
export type { SplitMixSeed } from './split-mix.js';
