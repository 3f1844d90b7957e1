import { runApp } from '@drf/terminal';
import { createDataProgram } from './program.js';

await runApp(createDataProgram());
