// `pnpm build` runs this: the page becomes a part of this package, dist/site, and is never made where it is installed.
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.js';

await buildPage(fileURLToPath(new URL('../../dist/site', import.meta.url)));
