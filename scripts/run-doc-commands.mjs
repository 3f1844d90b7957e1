// Runs a document's shell commands one after the other in a new folder, as a reader would, and says how long each took:
// node scripts/run-doc-commands.mjs docs/own-data.md
// Blocks that begin with ```sh are run; those with ```sh skip (a service that does not end, other people's files) are not.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Commands of a document's blocks, comments aside. */
function commandsOf(text) {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block);
  const lines = blocks.flatMap((block) => block.split('\n'));
  return lines.map((line) => line.replace(/\s+#.*$/, '').trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

/** `pnpm train …` as what the root's package.json says, from any folder. */
function fromAnywhere(command) {
  const [, script, rest] = /^pnpm (?:--silent )?(\S+)(.*)$/.exec(command) ?? [];
  const line = scripts[script]?.replace(/ (?:\.\/)?(scripts|apps|lab)\//g, ` ${root}$1/`);
  if (line === undefined) throw new Error(`${command}: no script of the root's package.json`);
  return `${line}${rest}`;
}

const documents = process.argv.slice(2);
if (documents.length === 0) throw new Error('name a document, such as docs/own-data.md');
for (const document of documents) {
  const folder = mkdtempSync(join(tmpdir(), 'drf-doc-'));
  let total = 0;
  try {
    for (const command of commandsOf(readFileSync(resolve(document), 'utf8'))) {
      const startedAt = performance.now();
      const options = { cwd: folder, shell: true, encoding: 'utf8' };
      const { status, stdout, stderr } = spawnSync(fromAnywhere(command), options);
      const seconds = (performance.now() - startedAt) / 1000;
      total += seconds;
      process.stdout.write(`${seconds.toFixed(1).padStart(7)} s  ${command}\n`);
      if (status === 0) continue;
      process.stdout.write(`${stdout}${stderr}\nended with ${status}\n`);
      process.exitCode = 1;
      break;
    }
    process.stdout.write(`${total.toFixed(1).padStart(7)} s  in all: ${document}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
