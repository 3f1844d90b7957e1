// Runs TypeScript from source: `node --conditions=source --import ./scripts/from-source.mjs app/src/main.ts`.
// ts-node transpiles; workspace packages resolve to their `source` export, so nothing has to be built first.
import { register } from 'node:module';

process.setSourceMapsEnabled(true); // traces name the lines of the sources
register('./source-hooks.mjs', import.meta.url);
