import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runApp } from '@drf/terminal';
import { createInstallProgram, realTools } from './program.js';
import { COMPILER, fakeRun, fakeTools, succeeded, useFolder } from './testing/fake-tools.js';
import { writeFakeWheel } from './testing/fake-wheel.js';
import type { Tools } from './tools.js';

const folder = useFolder();

async function command(
  argv: string[],
  changes: Partial<Tools> = {},
): Promise<{ code: number; output: string; errors: string }> {
  let output = '';
  let errors = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((errors += String(text)), true));
  const before = process.exitCode;
  process.exitCode = undefined;
  const binding = { name: '@tensorflow/tfjs-node', version: '4.22.0', folder: join(folder(), 'package') };
  await mkdir(join(binding.folder, 'binding'), { recursive: true });
  const tools = (_options: object, signal: AbortSignal): Tools =>
    fakeTools({ findBinding: () => binding, signal, ...changes });
  await runApp(createInstallProgram(tools), argv);
  const code = Number(process.exitCode);
  process.exitCode = before;
  vi.restoreAllMocks();
  return { code, output, errors };
}

async function wheelIn(path: string): Promise<string> {
  await writeFakeWheel(path);
  return path;
}

describe('tensorflow:install', () => {
  it('has help with examples', async () => {
    const { code, output } = await command(['--help']);
    expect(code).toBe(0);
    expect(output).toContain('$ pnpm tensorflow:install --cpu --from-pypi 2.18.1');
  });

  it.each([
    [['--gpu', '--cpu'], "option '--gpu' cannot be used with option '--cpu'"],
    [['--from-pypi', '2.20.0', '--prebuilt'], 'cannot be used with option'],
    [['--from-pypi', 'newest'], 'expected a version such as 2.20.0, received "newest"'],
    [['--form-wheel', 'a.whl'], 'Did you mean --from-wheel?'],
  ])('refuses %j', async (argv, message) => {
    const { code, errors } = await command(argv);
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });

  it('ends with what works, and where', async () => {
    const root = join(folder(), 'builds');
    const argv = ['--from-wheel', await wheelIn(join(folder(), 'a.whl')), '--folder', root];
    const { code, output } = await command(argv);
    expect(code).toBe(0);
    expect(output).toBe(
      `Engine eager:tensorflow works: TensorFlow 2.20.0, CPU, 42 GFLOP/s\n${join(root, '2.20.0-cpu')}\n` +
        `Engines find it when DRF_TENSORFLOW_FOLDER names ${root}\n`,
    );
  });

  it('chooses the GPU when there is one, and says when the library cannot use it', async () => {
    const run = fakeRun({ 'c++': COMPILER, 'nvidia-smi': succeeded('GPU 0: NVIDIA H100 (UUID: …)\n') });
    const argv = ['--from-wheel', await wheelIn(join(folder(), 'a.whl')), '--folder', join(folder(), 'builds')];
    const { output } = await command(argv, { run });
    expect(output).toContain('TensorFlow 2.20.0, CPU (it was built for a GPU, but found none that it can use)');
    const json = JSON.parse((await command([...argv, '--json'], { run })).output) as Record<string, unknown>;
    expect(json).toMatchObject({ tensorflow: '2.20.0', gpu: false, gflops: 42, build: { device: 'gpu', format: 1 } });
    expect((await command([...argv, '--cpu'], { run })).output).toContain('CPU, 42 GFLOP/s');
  });

  it('exits with 1 and one line when it fails', async () => {
    const { code, errors } = await command(['--from-wheel', join(folder(), 'absent.whl'), '--folder', folder()]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^error: --from-wheel expected a wheel .*which is no file; check the path\n$/);
  });

  it('removes what it installed and nothing else', async () => {
    const root = join(folder(), 'builds');
    await command(['--from-wheel', await wheelIn(join(folder(), 'a.whl')), '--folder', root]);
    await mkdir(join(root, 'downloads', 'mine'), { recursive: true });
    await mkdir(join(root, 'notes-cpu'));
    await writeFile(join(root, 'downloads', 'tensorflow-2.20.0-cp312.whl.part'), 'half');
    expect((await command(['--remove', '--folder', root])).output).toBe(
      `Removed ${['current.json', '2.20.0-cpu', 'downloads/tensorflow-2.20.0-cp312.whl.part'].map((name) => join(root, name)).join(', ')}\n`,
    );
    expect((await readdir(root, { recursive: true })).sort()).toEqual(['downloads', 'downloads/mine', 'notes-cpu']);
    expect((await command(['--remove', '--folder', root])).output).toBe(`Nothing is installed in ${root}\n`);
  });
});

describe('realTools', () => {
  it('is quiet when asked', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const quiet = realTools({ json: true }, new AbortController().signal);
    quiet.say('nothing');
    expect(quiet.relay).toBeUndefined();
    expect(write).not.toHaveBeenCalled();
    realTools({}, new AbortController().signal).say('something');
    expect(write).toHaveBeenCalledWith('something\n');
  });
});
