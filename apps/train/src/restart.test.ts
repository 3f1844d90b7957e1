import { execFile, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const LOADER = new URL('../../../scripts/from-source.mjs', import.meta.url).href;
const FROM_SOURCE = ['--conditions=source', '--import', LOADER];
const RESTARTING = fileURLToPath(new URL('./testing/restarting.ts', import.meta.url));
const FORKED = fileURLToPath(new URL('./testing/forked.ts', import.meta.url));

/** Whether this machine has what it takes: koffi is an optional dependency, and musl's library has another name. */
const hasExecve = await import('koffi').then(
  ({ load }) => process.platform === 'linux' && load('libc.so.6').symbol('execve') !== null,
  () => false,
);

describe('restartWith', () => {
  it.skipIf(!hasExecve)(
    'runs the program anew in the same process, with its words and variables',
    async () => {
      const words = ['a word', '', '--flag=ü'];
      const args = [...FROM_SOURCE, RESTARTING, ...words];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, KEPT: 'this' } });
      const [first, second, ...rest] = stdout.trimEnd().split('\n');
      const pid = /^\d+/.exec(first as string)?.[0];
      expect(first).toBe(`${pid} nothing this a word||--flag=ü`);
      expect(second).toBe(`${pid} ä b=c this a word||--flag=ü`);
      expect(rest).toEqual(['goes on']);
    },
    60_000,
  );

  it('leaves a process alone that another one talks to', async () => {
    const child = fork(FORKED, { execArgv: FROM_SOURCE });
    const said = await new Promise((resolve) => child.on('message', resolve));
    expect(said).toBe('still here');
  }, 60_000);
});
