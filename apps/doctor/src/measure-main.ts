// The process behind `measureEngine` for native engines: prints one line of JSON.
import * as tf from '@tensorflow/tfjs';
import { createEngine, nativeUsesGpu, nativeVersion, productRate } from '@drf/engine';

tf.env().set('IS_TEST', true); // no advice on standard error
const engine = await createEngine('eager:tensorflow');
const gflops = await productRate(engine);
process.stdout.write(`${JSON.stringify({ gflops, version: nativeVersion(), gpu: nativeUsesGpu() })}\n`);
await engine.dispose();
