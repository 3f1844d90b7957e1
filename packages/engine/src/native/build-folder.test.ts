import { expect, it } from 'vitest';
import { nativeFolder } from './build-folder.js';

it('is what the variable names, else lies in the user’s cache folder', () => {
  expect(nativeFolder({ DRF_TENSORFLOW_FOLDER: '/somewhere', XDG_CACHE_HOME: '/cache' }, '/home/me')).toBe(
    '/somewhere',
  );
  expect(nativeFolder({ DRF_TENSORFLOW_FOLDER: '', XDG_CACHE_HOME: '/cache' }, '/home/me')).toBe(
    '/cache/drf/tensorflow',
  );
  expect(nativeFolder({}, '/home/me')).toBe('/home/me/.cache/drf/tensorflow');
});
