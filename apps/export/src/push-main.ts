import { runApp } from '@drf/terminal';
import { createPushProgram } from './push-program.js';

await runApp(createPushProgram());
