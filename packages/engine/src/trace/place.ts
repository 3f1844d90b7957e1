import { fileURLToPath } from 'node:url';

/** This package's own folder of code, `src` or `dist`. */
const OWN = fileURLToPath(new URL('..', import.meta.url));

/** Operations lie deep below the user's function: tfjs wraps each several times. */
const DEEPEST = 200;

function isForeign(frame: string): boolean {
  if (frame.includes('node:internal') || /@tensorflow[/+]|tfjs-core\/src/.test(frame)) return true;
  return frame.includes(OWN) && !/\.(test|contract)\.[jt]s/.test(frame);
}

function deepStack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEEPEST;
  try {
    return new Error().stack ?? '';
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The innermost line of the caller's own code: `at step (model.ts:12:3)`. */
export function placeInUserCode(stack: string = deepStack()): string {
  const frame = stack.split('\n').find((line) => /^\s+at /.test(line) && !isForeign(line));
  return frame === undefined ? 'at an unknown place' : frame.trim();
}
