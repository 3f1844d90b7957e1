// Runs TypeScript from source: `node --import ./scripts/from-source.mjs app/src/main.ts`.
// ts-node transpiles; workspace packages resolve to their `source` export, so nothing has to be built first.
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

process.env.TS_NODE_TRANSPILE_ONLY ??= 'true';
process.env.TS_NODE_PROJECT ??= new URL('../tsconfig.base.json', import.meta.url).pathname;
register('ts-node/esm', pathToFileURL(import.meta.filename ?? import.meta.url));
register('./export-patterns.mjs', import.meta.url);
