import { describe, expect, it } from 'vitest';
import { UnavailableError } from '@drf/tensor';
import { findPython, packageIndex } from './python.js';
import { failed, fakeRun, PYTHON, succeeded } from './testing/fake-tools.js';

describe('findPython', () => {
  it('takes the first that has pip', async () => {
    const run = fakeRun({ python3: failed('/usr/bin/python3: No module named pip'), python: PYTHON });
    expect(await findPython(run, {})).toEqual({ command: 'python', pipVersion: '25.0' });
    expect(await findPython(fakeRun({ '/my/python': PYTHON }), { PYTHON: '/my/python' })).toMatchObject({
      command: '/my/python',
    });
  });

  it('says what each candidate lacks', async () => {
    const error = await findPython(fakeRun({ python3: failed('No module named pip') }), {}).catch((e: Error) => e);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain(
      'expected a Python with pip, which knows your package index, received python3: No module named pip, python: not found; install one',
    );
  });
});

describe('packageIndex', () => {
  const python = { command: 'python3', pipVersion: '25.0' };
  const help = (index: string): string =>
    `Package Index Options:\n  -i, --index-url <url>       Base URL of the Python Package Index (default ${index}). This should\n`;

  it('is what pip says, whatever it comes from', async () => {
    const run = fakeRun({ python3: succeeded(help('https://mirror.example/simple/')) });
    expect(await packageIndex(run, python)).toBe('https://mirror.example/simple');
  });

  it('is unknown where pip hides a password or says nothing', async () => {
    const hidden = fakeRun({ python3: succeeded(help('https://me:****@mirror.example/simple')) });
    expect(await packageIndex(hidden, python)).toBeUndefined();
    expect(await packageIndex(fakeRun({ python3: succeeded('') }), python)).toBeUndefined();
  });
});
