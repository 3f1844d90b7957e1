import * as tf from '@tensorflow/tfjs';
import { runApp } from '@drf/terminal';
import { createDoctorProgram } from './program.js';

tf.env().set('IS_TEST', true); // TensorFlow.js greets Node users with advice; the report has its own
await runApp(createDoctorProgram());
