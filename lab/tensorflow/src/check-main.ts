// The process behind `checkBuild`: prints one line of JSON when the engine computes rightly, and exits with 1 otherwise.
import * as tf from '@tensorflow/tfjs';
import { createEngine, nativeUsesGpu, nativeVersion, productRate } from '@drf/engine';

tf.env().set('IS_TEST', true); // no advice on standard error
const engine = await createEngine('eager:tensorflow');
const gflops = await productRate(engine);
process.stdout.write(`${JSON.stringify({ tensorflow: nativeVersion(), gpu: nativeUsesGpu(), gflops })}\n`);
await engine.dispose();
