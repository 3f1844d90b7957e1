// Type-checks the package that it is run in, with its tests; `pnpm typecheck` checks all of them at once.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = process.cwd();
const cache = join(folder, 'node_modules', '.cache');
mkdirSync(cache, { recursive: true });
const project = join(cache, 'tsconfig.check.json');
const compilerOptions = { tsBuildInfoFile: join(cache, 'check.tsbuildinfo') };
const config = { extends: join(root, 'tsconfig.check.json'), compilerOptions, include: [join(folder, 'src/**/*.ts')] };
writeFileSync(project, JSON.stringify(config));
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
process.exitCode = spawnSync(process.execPath, [compiler, '--project', project], { stdio: 'inherit' }).status ?? 1;
