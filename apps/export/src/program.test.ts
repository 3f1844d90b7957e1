import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { writeTinyBert } from '@drf/encoders/testing';
import { makeTinyRun, temporaryFolder } from '@drf/export/testing';
import { createExportProgram } from './program.js';

async function run(...args: string[]): Promise<string> {
  const printed: string[] = [];
  const program = createExportProgram((text) => void printed.push(text)).exitOverride();
  program.configureOutput({ writeOut: (text) => void printed.push(text), writeErr: () => undefined });
  await program.parseAsync(args, { from: 'user' });
  return printed.join('');
}

describe('export on the command line', () => {
  it('names the files that it wrote, or prints the card', async () => {
    const progress = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const folder = await temporaryFolder();
    const { path } = await makeTinyRun(join(folder, 'run'));
    const out = join(folder, 'out');
    expect(await run(path, '--out', out)).toMatch(
      /head\.onnx {2}\d+ kB\n.*README\.md {2}\d+ kB\n.*card\.json {2}\d+ kB\nThe image encoder/,
    );
    expect(progress.mock.calls.map(([text]) => text)).toEqual(['Tracing head.onnx …\n', 'Writing …\n']);
    progress.mockClear();
    const card = JSON.parse(await run(path, '--out', out, '--overwrite', '--batch', '2', '--json')) as {
      files: { 'head.onnx': { batch: unknown } };
    };
    expect(card.files['head.onnx'].batch).toBe(2);
    expect(progress).not.toHaveBeenCalled();
  });

  it('exports an encoder', async () => {
    const progress = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const folder = await temporaryFolder();
    const model = await writeTinyBert(join(folder, 'model'));
    const out = join(folder, 'out');
    const printed = await run('encoder', model, '--modality', 'text', '--out', out);
    expect(printed).toMatch(/tokenizer\.json {2}\d+ kB\n[^]*onnx\/model\.onnx {2}\d+ kB\n[^]*config\.json/);
    expect(progress.mock.calls.map(([text]) => text)).toEqual([
      'Reading the model …\n',
      'Tracing onnx/model.onnx …\n',
      'Writing …\n',
    ]);
    const again = await run(
      'encoder',
      `huggingface:${model}`,
      '--modality',
      'text',
      '--out',
      out,
      '--overwrite',
      '--json',
    );
    expect((JSON.parse(again) as { files: string[] }).files).toHaveLength(5);
  });

  it.each([
    [['run'], /required option '--out <folder>' not specified/],
    [['run', '--out', 'out', '--batch', 'many'], /expected a whole number from 1 to 4096, received "many"/],
    [['run', '--out', 'out', '--tokens', '0'], /expected a whole number from 1/],
    [['run', '--out', 'out', '--precision', 'int4'], /int4/],
    [['run', '--out', 'out', '--hed-only'], /Did you mean --head-only/],
  ])('refuses %j', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });

  it('explains itself with examples', async () => {
    const printed: string[] = [];
    const program = createExportProgram(() => undefined).exitOverride();
    program.configureOutput({ writeOut: (text) => void printed.push(text) });
    await expect(program.parseAsync(['--help'], { from: 'user' })).rejects.toThrow();
    expect(printed.join('')).toMatch(/--overwrite[^]*Examples:\n {2}\$ pnpm export runs\/quickstart --out/);
  });
});
