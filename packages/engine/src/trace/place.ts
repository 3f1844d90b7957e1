/** Frames of tfjs, of this package, and of Node itself: not where the user wrote the operation. */
const FOREIGN = /@tensorflow[/+]|node:internal|packages\/engine\/(src|dist)\/(?!.*\.test\.)|@drf\/engine/;

/** The innermost line of the caller's own code: `at step (model.ts:12:3)`. */
export function placeInUserCode(stack: string = new Error().stack ?? ''): string {
  const frames = stack.split('\n').slice(1);
  const frame = frames.find((line) => !FOREIGN.test(line)) ?? frames[0];
  return frame === undefined ? 'at an unknown place' : frame.trim();
}
