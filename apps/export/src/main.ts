import { runApp } from '@drf/terminal';
import { createExportProgram } from './program.js';

await runApp(createExportProgram());
