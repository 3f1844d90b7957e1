import { runApp } from '@drf/terminal';
import { createEvalProgram } from './program.js';

await runApp(createEvalProgram());
