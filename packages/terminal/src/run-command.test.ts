import { describe, expect, it } from 'vitest';
import { findProgram, lastLines, runCommand } from './index.js';

const node = (script: string, options = {}): ReturnType<typeof runCommand> =>
  runCommand(process.execPath, ['-e', script], options);

describe('runCommand', () => {
  it('gives the exit code and what was printed, as it comes and in the end', async () => {
    const heard: string[] = [];
    const script = 'process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 3';
    const result = await node(script, { onOutput: (text: string) => void heard.push(text) });
    expect(result).toEqual({ code: 3, stdout: 'out', stderr: 'err', missing: false });
    expect(heard.sort()).toEqual(['err', 'out']);
  });

  it('says that there is no such program', async () => {
    expect(await runCommand('no-such-program-here', [])).toMatchObject({ code: null, missing: true });
  });

  it('ends a program that takes too long or is no longer wanted', async () => {
    const forever = 'setInterval(() => {}, 1000)';
    expect((await node(forever, { timeoutMilliseconds: 100 })).code).toBeNull();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    expect((await node(forever, { signal: controller.signal })).code).toBeNull();
  });

  it('passes folder and environment on', async () => {
    const script = 'process.stdout.write(process.cwd() + " " + process.env.WORD)';
    expect((await node(script, { cwd: '/', environment: { WORD: 'yes' } })).stdout).toBe('/ yes');
  });
});

describe('lastLines', () => {
  it('keeps the last lines that say something', () => {
    expect(lastLines('one\n\n  two \r\nthree\n', 2)).toBe('two / three');
    expect(lastLines(' \n')).toBe('no output');
  });
});

describe('findProgram', () => {
  it('gives the first that is on the path', async () => {
    expect(await findProgram(['no-such-program-here', 'node'])).toMatch(/node$/);
    expect(await findProgram(['no-such-program-here'])).toBeUndefined();
  });
});
