import { runApp } from '@drf/terminal';
import { createDoctorProgram } from './program.js';

await runApp(createDoctorProgram());
