import { runApp } from '@drf/terminal';
import { createPageProgram } from './program.js';

await runApp(createPageProgram((text) => void process.stdout.write(text)));
