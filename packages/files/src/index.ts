export { removeTemporaries, writeFileAtomic, writeJsonAtomic } from './atomic.js';
export { ENSEMBLE_FILE, readEnsemble, withMembers, writeEnsemble, type EnsembleMember } from './ensemble.js';
export { isModulePath, loadDefinition, parseDefinitionOptions, type Definition } from './definition.js';
export { parseHubEndpoint } from './hub-endpoint.js';
export { assertLinksStayInside, LONGEST_PATH, resolveInside } from './inside.js';
export { assertUnlocked, lockFile, type FileLock } from './lock.js';
export { addOwnOption } from './own-option.js';
export { optionFromText, optionsOf, parseOptions, unwrapSchema } from './options.js';
export { bytesHash, contentHash, fileHash, readBounded, readJson } from './read.js';
export { readText, RefusedError, retryRequest, withAnswer, type RetryOptions } from './retry.js';
export {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  writeSafetensors,
  writeStreamedSafetensors,
  type SafetensorsContent,
  type StreamedTensor,
} from './safetensors.js';
export {
  openSafetensors,
  openSafetensorsIndex,
  type TensorDescription,
  type TensorSource,
} from './safetensors-file.js';
export { cacheFolder } from './cache-folder.js';
export { rejectedPath, RejectedRows } from './rejected-rows.js';
export { StreamedFile } from './streamed-file.js';
export type { Storage, StoredEntry, StoredFile, WrittenContent } from './storage.js';
