import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { COMMAND_NAMES, runDrf } from './commands.js';

const earlier = process.exitCode;
afterEach(() => void (process.exitCode = earlier));

/** What `drf` prints, and how it ends. */
async function drf(...argv: string[]): Promise<{ output: string; errors: string; code: number | string | undefined }> {
  let [output, errors] = ['', ''];
  process.exitCode = undefined;
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((errors += String(text)), true));
  vi.spyOn(console, 'log').mockImplementation((text: string) => void (output += `${text}\n`));
  try {
    await runDrf(argv);
    return { output, errors, code: process.exitCode };
  } finally {
    vi.restoreAllMocks();
  }
}

describe('drf', () => {
  it('lists its commands, examples and exit codes', async () => {
    const { output, code } = await drf('--help');
    expect(code).toBe(0);
    for (const name of COMMAND_NAMES) expect(output).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(output).toMatch(/Examples:\n {2}\$ .*data sample[^]*Exit codes: 0 done, 1 failed .*130 interrupted/);
  });

  it('says its version', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await drf('--version')).toMatchObject({ output: `${manifest.version}\n`, code: 0 });
  });

  it.each([
    ['a wrong command', ['trian'], /unknown command 'trian'\n\(Did you mean train\?\)/],
    [
      'a wrong option of a command',
      ['predict', 'RUN', '--colums', 'x'],
      /unknown option '--colums'\n\(Did you mean --columns\?\)/,
    ],
    [
      'the last part of an option',
      ['train', '--epohs', '3'],
      /unknown option '--epohs'[^]*Did you mean --training\.epochs\?/,
    ],
  ])('suggests the right word for %s', async (_, argv, expected) => {
    const { errors, code } = await drf(...argv);
    expect(code).toBe(2);
    expect(errors).toMatch(expected);
  });

  it('prints help and fails where no command is given', async () => {
    const { errors, code } = await drf();
    expect(code).toBe(2);
    expect(errors).toContain('Commands:');
  });

  it.each(COMMAND_NAMES)('%s has help with examples', async (name) => {
    const { output, code } = await drf(name, '--help');
    expect(code).toBe(0);
    expect(output).toMatch(new RegExp(`^Usage: pnpm (run )?(eval )?${name}\\b[^]*\n\nExamples:\n {2}\\$ `));
  });

  it('takes help before a command, and what pnpm puts before the words', async () => {
    const { output } = await drf('grid', '--help');
    expect(await drf('help', 'grid')).toMatchObject({ output, code: 0 });
    expect(await drf('--', 'grid', '--help')).toMatchObject({ output, code: 0 });
  });
});

describe('completion', () => {
  it('is a script for each shell', async () => {
    expect((await drf('completion', 'bash')).output).toContain('complete -o default -F __drf_complete drf');
    for (const shell of ['zsh', 'fish'])
      expect((await drf('completion', shell)).output).toContain(`# ${shell} completion for drf`);
    expect(await drf('completion', 'tcsh')).toMatchObject({ code: 2 });
  });

  it('knows commands, their parts and their options, and leaves file names to the shell', async () => {
    const complete = async (...words: string[]): Promise<string[]> =>
      (await drf('complete', '--', ...words)).output.trimEnd().split('\n').map((line) => line.split('\t')[0] as string); // prettier-ignore
    expect(await complete('tr')).toEqual(['train', ':4']);
    expect(await complete('data', 'sa')).toEqual(['sample', ':4']);
    expect(await complete('grid', '--sett')).toEqual(['--settings', ':4']);
    expect(await complete('train', '--training.ep')).toEqual(['--training.epochs', ':4']);
    expect(await complete('train', '--data', '')).toEqual([':0']);
  });
});
