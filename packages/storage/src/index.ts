export { examineObjects, type ObjectStorageCheck } from './examine-objects.js';
export { fetchFolder, fetchFolders } from './fetch-folder.js';
export { fetchInto, localCopy, type LocalCopyOptions } from './local-copy.js';
export { assertLocalLocation, isObjectLocation, localFeatureCache } from './location.js';
export { FolderMirror, type MirrorOptions } from './mirror.js';
export { abortUploads, openLocation, openStorage, type OpenedLocation } from './open-storage.js';
