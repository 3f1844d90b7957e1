import { DataError } from '@drf/tensor';

/** The error for a post of nothing. */
export function bothMissing(): DataError {
  return new DataError({
    subject: 'The post',
    expected: 'text or an image, or both',
    received: 'neither',
    remedy: 'give one of them',
  });
}
