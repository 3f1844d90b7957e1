// The process behind `NATIVE_PROBE`: prints one line of JSON.
import * as tf from '@tensorflow/tfjs';
import { createEngine } from '../create-engine.js';
import { productRate } from '../product-rate.js';
import { nativeUsesGpu, nativeVersion } from './load.js';

tf.env().set('IS_TEST', true); // no advice on standard error
const engine = await createEngine('eager:tensorflow');
const gflops = await productRate(engine);
process.stdout.write(`${JSON.stringify({ tensorflow: nativeVersion(), gpu: nativeUsesGpu(), gflops })}\n`);
await engine.dispose();
