import { runApp } from '@drf/terminal';
import { createTuneProgram } from './program.js';

await runApp(createTuneProgram());
