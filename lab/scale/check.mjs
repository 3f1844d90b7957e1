// What is checked before a change lands: each experiment in its quick form (or all of it), one after the other, in a process
// of its own. What this machine does not let be is skipped, with the reason.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { check as mustBe } from './laboratory.mjs';
import { findTool, SKIPPED } from './tools.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** By name: the program, and its arguments in the quick form (null: there is only a long one) and in the long one. */
const PARTS = {
  'training over two hosts by MPI': ['mpi.mjs', [], []],
  'a grid by Ray, with kills': ['main.mjs', null, ['grid']],
  'scoring from object storage, with kills': ['main.mjs', null, ['score']],
  'a listing of many keys': ['main.mjs', null, ['listing']],
  'reading shards from object storage': ['main.mjs', null, ['reading']],
  'wrong input': ['main.mjs', ['bad-input'], ['bad-input']],
};

export async function check(laboratory, { install, long }) {
  let failures = 0;
  await findTool('mpirun', install).catch(() => undefined); // where it is missing, its part says so
  for (const [what, [program, quick, all]] of Object.entries(PARTS)) {
    if (!long && quick === null) continue;
    const begun = laboratory.seconds();
    const args = [...(long ? all : quick), ...(install ? ['--install', install] : [])];
    const { code, said } = existsSync(here(program))
      ? await run([here(program), ...args])
      : { code: SKIPPED, said: `${program} is not there` };
    const seconds = `${(laboratory.seconds() - begun).toFixed(0)} s`;
    const [, why] = /^skipped: (.*)$/.exec(code === 0 ? said.trim() : '') ?? [];
    if (why !== undefined) console.log(`skipped: ${what} (${why})`);
    else if (code === 0) console.log(`passed: ${what}, ${seconds}`);
    else if (code === SKIPPED) console.log(`skipped: ${what} (${said.trim().split('\n').at(-1)})`);
    else {
      failures++;
      console.log(`FAILED: ${what}, ${seconds}\n${said.trim().replaceAll(/^/gm, '    ')}`);
    }
  }
  mustBe(failures === 0, `${failures} of ${Object.keys(PARTS).length} failed`);
}

/** Runs a part to its end; Ctrl-C reaches it too, since it is of this group of processes. */
async function run(args) {
  const child = spawn(process.execPath, ['--no-warnings', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => void (said += text));
  const stop = () => child.kill('SIGTERM');
  process.once('SIGTERM', stop);
  const code = await new Promise((resolve) => child.once('close', resolve));
  process.off('SIGTERM', stop);
  return { code, said };
}
