// Hooks for Node's loader, by which it runs TypeScript (`from-source.mjs` registers them). ts-node transpiles. Of a file of
// this workspace, what it made stays in node_modules/.cache/from-source, below the hash of the source and of all else that
// decides it. A start that finds everything there loads no compiler, and takes a quarter of the processor time.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';

const require = createRequire(import.meta.url);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, 'node_modules', '.cache', 'from-source');
const PROJECT = join(ROOT, 'tsconfig.base.json');

/** ES modules whatever the nearest package.json says, as all of this workspace's files are. */
const OPTIONS = { transpileOnly: true, project: PROJECT, compilerOptions: { module: 'ESNext', moduleResolution: 'Bundler' } }; // prettier-ignore

const hash = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('hex');
const versions = ['ts-node', 'typescript'].map((name) => require(`${name}/package.json`).version);
const SETTINGS = hash(versions, OPTIONS, readFileSync(PROJECT, 'utf8'));

let compiler;
function transpile(source, path) {
  compiler ??= require('ts-node').create(OPTIONS);
  return compiler.compile(source, path);
}

/** What a file keeps, if it is of the present source and whole. */
function keptOutput(cached, head) {
  try {
    const [own, sum, ...lines] = readFileSync(cached, 'utf8').split('\n');
    const output = lines.join('\n');
    return `${own}\n` === head && sum === `// ${hash(output)}` ? output : undefined;
  } catch {
    return undefined;
  }
}

/** The output of before where its first line names the present source, else one that ts-node makes now. */
function transpileOnce(source, path) {
  const head = `// ${hash(SETTINGS, path, source)}\n`;
  const cached = join(CACHE, `${hash(path)}.js`);
  const known = keptOutput(cached, head);
  if (known !== undefined) return known;
  const output = transpile(source, path);
  const temporary = `${cached}.${process.pid}-${threadId}`;
  try {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(temporary, `${head}// ${hash(output)}\n${output}`);
    renameSync(temporary, cached); // whole or not at all, since several processes may write the same
  } catch {
    // where nothing can be written, the next start transpiles again
  }
  return output;
}

const isTypeScript = (url) => /^file:.*\.m?ts$/.test(url ?? '');

/** TypeScript imports `./x.js`, which is `./x.ts` as long as nothing is built. */
export async function resolve(specifier, context, nextResolve) {
  if (isTypeScript(context.parentURL) && /^(\.|file:).*\.m?js$/.test(specifier)) {
    const url = new URL(specifier.replace(/js$/, 'ts'), context.parentURL);
    if (existsSync(url)) return { url: url.href, format: 'module', shortCircuit: true };
  }
  return nextResolve(specifier, context);
}

export async function load(url, context, nextLoad) {
  if (!isTypeScript(url)) return nextLoad(url, context);
  const path = fileURLToPath(url);
  const source = readFileSync(path, 'utf8');
  // elsewhere, such as in folders for a while, the cache would only grow
  const output = path.startsWith(ROOT) ? transpileOnce(source, path) : transpile(source, path);
  return { format: 'module', source: output, shortCircuit: true };
}
