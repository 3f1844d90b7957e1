import { runApp } from '@drf/terminal';
import { createPageProgram } from './program.js';

await runApp(createPageProgram());
