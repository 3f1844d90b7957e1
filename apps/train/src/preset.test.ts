// Presets from the command line, on posts of one's own: with the embedded encoders, and with tiny ones that are trained.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { plainTiff } from '@drf/experiment/testing';
import { readEnsemble } from '@drf/files';
import type { ExperimentConfig } from '@drf/experiment';
import { createTrainProgram } from './program.js';

let folder: string;
let tiny: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-preset-'));
  await mkdir(join(folder, 'images'));
  await writeFile(join(folder, 'images', 'red.tiff'), plainTiff(16, [255, 32, 16]));
  await writeFile(join(folder, 'images', 'blue.tiff'), plainTiff(16, [16, 32, 255]));
  const rows = Array.from({ length: 24 }, (_, i) =>
    i % 2 === 0 ? `a lovely day ${i},images/red.tiff,good` : `an awful day ${i},images/blue.tiff,bad`,
  );
  await writeFile(join(folder, 'posts.csv'), ['text,image,label', ...rows].join('\n'));
  const [vit, bert] = [await writeTinyVit(join(folder, 'vit')), await writeTinyBert(join(folder, 'bert'))];
  tiny = ['--encoders.image', vit, '--encoders.text', bert, '--encoders.pooling.image', 'cls', '--engine', 'eager:cpu'];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What `drf train` on the posts prints. */
async function train(...words: string[]): Promise<string> {
  const print = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const program = createTrainProgram()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    const given = ['--data', join(folder, 'posts.csv'), '--cache', join(folder, 'cache'), '--quiet'];
    await program.parseAsync([...given, ...words], { from: 'user' });
    return print.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    print.mockRestore();
  }
}

async function configOf(...names: string[]): Promise<ExperimentConfig> {
  const text = await readFile(join(folder, ...names, 'config.json'), 'utf8');
  return (JSON.parse(text) as { config: ExperimentConfig }).config;
}

const SMALL = ['--model.dim', '8', '--training.epochs', '1', '--dataset.image-size', '32'];
/** What a tiny vision transformer reads, and of how many layers it has. */
const LAYERS = ['--encoders.image-size', '16', '--encoders.trainable-layers.image', '1', '--encoders.trainable-layers.text', '1']; // prettier-ignore

describe('train --preset', () => {
  it('fast trains on posts of one’s own with the embedded encoders', { timeout: 120_000 }, async () => {
    const out = join(folder, 'fast');
    expect(
      await train('--preset', 'fast', '--method', 'concatenation', '--dataset.limit', '6', ...SMALL, '--out', out),
    ).toContain('Evaluate:');
    expect(await configOf('fast')).toMatchObject({
      encoders: { image: 'embedded', text: 'embedded' },
      model: { dim: 8, standardize: true },
      training: { epochs: 1 },
    });
    const resumed = createTrainProgram().parseAsync(['--resume', out, '--preset', 'best'], { from: 'user' });
    await expect(resumed).rejects.toThrow('--resume expected no other experiment, option or folder: a run goes on as it was configured, received --preset'); // prettier-ignore
  });

  it('best makes an ensemble of folds, with the encoders that are named', { timeout: 120_000 }, async () => {
    const out = join(folder, 'best');
    const words = ['--preset', 'best', ...tiny, ...SMALL, ...LAYERS, '--dataset.folds', '2', '--out', out];
    await expect(train(...words, '--track', 'somewhere')).rejects.toThrow('--track expected mlflow:http');
    const said = await train(...words, '--track', 'mlflow:http://127.0.0.1:9');
    expect(said).toMatch(/^Trained 2 folds\. Together they judge as an ensemble/);
    expect(said).toMatch(/^fold2: MLflow at http:\/\/127\.0\.0\.1:9 was not told everything/m);
    expect(await readEnsemble(out)).toHaveLength(2);
    expect(await configOf('best', 'fold2')).toMatchObject({
      dataset: { folds: 2, fold: 2 },
      encoders: { trainable: { image: true, text: true }, trainableLayers: { image: 1, text: 1 } },
      training: { epochs: 1, clipNorm: 1 },
    });
    const resumed = createTrainProgram().parseAsync(['--resume', out, '--preset', 'best'], { from: 'user' });
    await expect(resumed).rejects.toThrow('folds go on as they were configured, received --preset');
  });

  it('best trains one fold where it is named', { timeout: 120_000 }, async () => {
    const out = join(folder, 'one');
    const words = ['--preset', 'best', ...tiny, ...SMALL, ...LAYERS, '--dataset.fold', '3', '--out', out];
    expect(await train(...words)).toContain('Evaluate:');
    expect((await configOf('one')).dataset).toMatchObject({ folds: 5, fold: 3 });
  });

  it('says what all folds will take', { timeout: 120_000 }, async () => {
    const words = ['--preset', 'best', ...tiny, ...SMALL, ...LAYERS, '--dry-run', '--json'];
    const before = await readdir(folder);
    expect(JSON.parse(await train(...words))).toMatchObject({ trainings: 5, epochs: 1 });
    expect(await readdir(folder)).toEqual(before);
  });

  it('is explained by the help, and suggested where it is misspelled', async () => {
    const program = createTrainProgram().exitOverride();
    let help = '';
    program.configureOutput({ writeOut: (text) => void (help += text), writeErr: () => undefined });
    expect(() => program.parse(['--help'], { from: 'user' })).toThrow();
    expect(help).toMatch(/--preset <name> .*fast, balanced, best/);
    expect(help).toMatch(/Presets, the cheapest first[^]*\n {2}fast .*\n[^]*\n {2}balanced .*\n[^]*\n {2}best /);
    await expect(train('--preset', 'bset')).rejects.toThrow('"bset" is unknown; did you mean "best"?');
  });
});
