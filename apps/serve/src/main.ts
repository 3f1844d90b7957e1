#!/usr/bin/env node
import { runApp } from '@drf/terminal';
import { createServeProgram } from './program.js';

await runApp(createServeProgram());
