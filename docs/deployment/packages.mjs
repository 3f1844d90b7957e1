// Prints a package.json that installs one package of this project: from a folder of tarballs (as `pnpm pack` names them)
// for all that are there, from the registry otherwise: node packages.mjs FOLDER PACKAGE > package.json
import { readdirSync } from 'node:fs';

const [folder, wanted] = process.argv.slice(2);
const tarballs = readdirSync(folder).filter((file) => file.endsWith('.tgz'));
const nameOf = (file) => file.replace(/-\d+\.\d+\.\d+.*\.tgz$/, '').replace(/^drf-(?!sentiment)/, '@drf/');
const { [wanted]: own = 'latest', ...overrides } = Object.fromEntries(
  tarballs.map((file) => [nameOf(file), `file:${folder}/${file}`]),
);
console.log(JSON.stringify({ private: true, dependencies: { [wanted]: own }, overrides }, null, 2));
