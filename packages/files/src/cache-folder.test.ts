import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { cacheFolder } from './cache-folder.js';

it.each([
  ['the user’s cache folder on Linux', {}, 'linux', '/home/me/.cache/drf'],
  ['that of macOS', {}, 'darwin', '/home/me/Library/Caches/drf'],
  ['that of Windows', { LOCALAPPDATA: '/local' }, 'win32', '/local/drf'],
  ['that of Windows, where nothing names it', {}, 'win32', '/home/me/AppData/Local/drf'],
  ['XDG_CACHE_HOME anywhere', { XDG_CACHE_HOME: '/caches' }, 'darwin', '/caches/drf'],
  ['DRF_CACHE before all others', { XDG_CACHE_HOME: '/caches', DRF_CACHE: '/mine' }, 'linux', '/mine'],
  ['DRF_CACHE as an absolute path', { DRF_CACHE: 'mine' }, 'linux', resolve('mine')],
  ['empty names as none', { XDG_CACHE_HOME: '', DRF_CACHE: '' }, 'linux', '/home/me/.cache/drf'],
] as const)('takes %s', (_, environment, platform, expected) => {
  expect(cacheFolder(environment, '/home/me', platform)).toBe(expected);
});
