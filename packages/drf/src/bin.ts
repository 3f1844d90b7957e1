#!/usr/bin/env node
import { runDrf } from './commands.js';

await runDrf(process.argv.slice(2));
