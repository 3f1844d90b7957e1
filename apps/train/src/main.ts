import { runApp } from '@drf/terminal';
import { createTrainProgram } from './program.js';

await runApp(createTrainProgram());
