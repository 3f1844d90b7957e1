import { runApp } from '@drf/terminal';
import { createInstallProgram } from './program.js';

await runApp(createInstallProgram());
