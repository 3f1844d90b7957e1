import { readdirSync, readlinkSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { hostTensor } from '@drf/tensor';
import { createCompiledEngine } from '../compiled/compiled-engine.js';

/** Files that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      return []; // the one that listed the folder
    }
  });
}

it.skipIf(process.platform !== 'linux')('a session records nothing about its use', async () => {
  const engine = await createCompiledEngine();
  const program = await engine.prepare((_: object, { x }: { x: tf.Tensor }) => ({ y: tf.add(x, 1) }), {});
  await program.run({ x: hostTensor([1], [1]) });
  expect(openFiles().filter((path) => /onnxruntime\.db|mat-debug/.test(path))).toEqual([]);
  await engine.dispose();
});
