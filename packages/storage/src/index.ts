export { fetchInto, localCopy, type LocalCopyOptions } from './local-copy.js';
export { isObjectLocation } from './location.js';
export { openLocation, openStorage, type OpenedLocation } from './open-storage.js';
