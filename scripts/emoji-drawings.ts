// `pnpm emoji:drawings`: takes the drawings that embedded posts may need out of the Iconify packages (53 MB), so that
// who installs @drf/datasets gets these alone. A test compares the file with the packages.
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../packages/files/src/index.js';
import { DRAWINGS_FILE } from '../packages/datasets/src/embedded/emoji-sets.js';
import { drawingsOfPackages } from '../packages/datasets/src/testing/iconify.js';

const path = fileURLToPath(DRAWINGS_FILE);
await writeFileAtomic(path, `${JSON.stringify(await drawingsOfPackages())}\n`);
console.log(`Wrote ${path}`);
