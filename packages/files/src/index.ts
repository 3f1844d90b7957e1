export { writeFileAtomic, writeJsonAtomic } from './atomic.js';
export { LONGEST_PATH, resolveInside } from './inside.js';
export { contentHash, readBounded, readJson } from './read.js';
export {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  writeSafetensors,
  type SafetensorsContent,
} from './safetensors.js';
export { openSafetensors, type TensorDescription, type TensorSource } from './safetensors-file.js';
export { openSafetensorsIndex } from './safetensors-shards.js';
