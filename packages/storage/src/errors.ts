import { DataError } from '@drf/tensor';

/** Of a file or object that is not the one that was opened. */
export const CHANGED = {
  code: 'changed',
  expected: 'the file as it was when the work was planned',
  received: 'a changed one',
  remedy: 'restore it, or begin anew with another output',
};

/** Of one that is not there, or no more. */
export const GONE = {
  code: 'gone',
  expected: 'a file',
  received: 'nothing there',
  remedy: 'check the path, also upper and lower case; it may have been removed meanwhile',
};

export function changedError(name: string): DataError {
  return new DataError({ subject: `Reading ${name}`, ...CHANGED });
}

export function goneError(name: string): DataError {
  return new DataError({ subject: `Opening ${name}`, ...GONE });
}
