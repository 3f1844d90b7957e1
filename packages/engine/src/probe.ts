// The process behind `engineProbe`: prints one line of JSON.
import * as tf from '@tensorflow/tfjs';
import { UnavailableError } from '@drf/tensor';
import { createEngine } from './create-engine.js';
import { nativeUsesGpu, nativeVersion } from './native/load.js';
import { productRate } from './product-rate.js';

const NATIVE = 'eager:tensorflow';

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

tf.env().set('IS_TEST', true); // no advice on standard error
const name = process.argv[2] ?? NATIVE;
try {
  const engine = await createEngine(name);
  const gflops = await productRate(engine);
  print(name === NATIVE ? { tensorflow: nativeVersion(), gpu: nativeUsesGpu(), gflops } : { gflops });
  await engine.dispose();
} catch (error) {
  if (name === NATIVE || !(error instanceof UnavailableError)) throw error;
  print({ failure: error.report });
  process.exitCode = 1;
}
