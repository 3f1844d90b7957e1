#!/usr/bin/env node
import { runApp } from '@drf/terminal';
import { createPredictProgram } from './program.js';

await runApp(createPredictProgram());
