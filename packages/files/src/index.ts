export { removeTemporaries, writeFileAtomic, writeJsonAtomic } from './atomic.js';
export {
  isModulePath,
  loadDefinition,
  parseDefinitionOptions,
  reloadDefinition,
  type Definition,
  type DefinitionIdentity,
  type DefinitionKind,
  type LoadedDefinition,
} from './definition.js';
export { assertLinksStayInside, LONGEST_PATH, resolveInside } from './inside.js';
export { assertUnlocked, lockFile, type FileLock } from './lock.js';
export { optionFromText, optionsOf, parseOptions, unwrapSchema } from './options.js';
export { contentHash, fileHash, readBounded, readJson } from './read.js';
export { readText, RefusedError, retryAfter, retryRequest, withAnswer, type RetryOptions } from './retry.js';
export {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  writeSafetensors,
  type SafetensorsContent,
} from './safetensors.js';
export { openSafetensors, type TensorDescription, type TensorSource } from './safetensors-file.js';
export { openSafetensorsIndex } from './safetensors-shards.js';
