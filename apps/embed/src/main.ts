import { runApp } from '@drf/terminal';
import { createEmbedProgram } from './program.js';

await runApp(createEmbedProgram());
