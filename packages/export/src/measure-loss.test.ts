// Exports with smaller weights say what they cost, as far as it can be measured.
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { saveSplits } from '@drf/datasets';
import { openJudge } from '@drf/judge';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { exportRun } from './export-run.js';
import { describeLoss, type PrecisionLoss } from './measure-loss.js';
import { makeEmbeddedRun, makeTinyRun } from './testing/tiny-run.js';
import { temporaryFolder } from './testing/tools.js';

const LOSS: PrecisionLoss = {
  posts: 100,
  of: 120,
  agreeing: 97,
  accuracy: {
    float32: { right: 80, share: 0.8, interval: [0.711, 0.867] },
    smaller: { right: 78, share: 0.78, interval: [0.689, 0.85] },
  },
  probabilityDifference: { mean: 0.0042, largest: 0.031 },
  negativeLogLikelihood: { float32: 0.5, smaller: 0.51 },
  furtherTemperature: { float32: 1.01, smaller: 1.03 },
  qualityDifference: { image: 0.06, text: null },
  familiarityDiffers: 1,
  stateDiffers: { image: 1, text: 3 },
  milliseconds: { float32: 15.5, smaller: 15.6 },
  bytes: { float32: 48_000_000, smaller: 15_000_000 },
};

describe('what a precision costs', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('is told in words', () => {
    const words = describeLoss('int8', LOSS).join('\n');
    expect(words).toContain('100 of 120 validation posts against float32: 97 get the same label, and probabilities differ by 0.42 points on average, 3.1 at most'); // prettier-ignore
    expect(words).toContain('80.0 % (80 right; 95 % interval 71.1 % to 86.7 %) in float32, 78.0 %');
    expect(words).toContain('Quality moves by 6.0 points at most; 1 post is');
    expect(words).toContain('Taken for corrupted by one model alone: 1 image, 3 texts.');
    expect(describeLoss('int8', { ...LOSS, stateDiffers: { image: null, text: null } }).join()).not.toContain(
      'corrupted',
    );
    expect(words).toContain('48.0 MB in float32, 15.0 MB in int8');
    expect(words).not.toContain('WARNING');
  });

  it('warns when accuracy leaves the interval of that in float32', () => {
    const { accuracy } = LOSS;
    const worse = { ...LOSS, accuracy: { ...accuracy, smaller: { ...accuracy.smaller, share: 0.7 } } };
    expect(describeLoss('int8', worse).at(-1)).toMatch(/^WARNING: in int8 accuracy lies below the interval/);
  });

  it('is measured on the run’s validation posts, and stands in the card', { timeout: 120_000 }, async () => {
    const folder = await temporaryFolder();
    const run = await makeEmbeddedRun(join(folder, 'run'), {
      method: 'drf',
      fitted: 'image',
      seen: 20,
      model: { discriminants: 0.5 },
    });
    const val = Array.from({ length: 6 }, (_, i) => `val-${String(i + 1).padStart(4, '0')}`);
    await saveSplits(run.file('splits'), { train: [], val, test: [] }, { dataset: 'embedded', seed: 1, fractions: {} });
    const out = join(folder, 'out');
    const temporary = join(folder, 'temporary');
    await mkdir(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const told: string[] = [];
    const onMeasured = (done: number, total: number): void => void told.push(`${done}/${total}`);
    const { card } = await exportRun(run.path, { out, precision: 'int8', measure: 4, onMeasured });
    expect(told).toEqual(['1/4', '2/4', '3/4', '4/4']);
    const { weights, measured } = card.precision as { weights: string; measured: PrecisionLoss };
    expect(weights).toBe('int8');
    expect(measured).toMatchObject({ posts: 4, of: 6, furtherTemperature: { float32: null, smaller: null } });
    expect(measured.stateDiffers).toEqual({ image: expect.any(Number) as number, text: null });
    expect(measured.probabilityDifference.largest).toBeGreaterThan(0);
    expect(measured.probabilityDifference.largest).toBeLessThan(0.05);
    const model = await readFile(join(out, 'model.onnx'));
    expect(measured.bytes.smaller).toBe(model.byteLength);
    expect(model.byteLength).toBeLessThan(0.35 * measured.bytes.float32);
    expect(await readFile(join(out, 'README.md'), 'utf8')).toMatch(/Measured on 4 of 6 validation posts/);
    const judge = await openJudge(out); // as any export
    const { probabilities } = await judge.judge({ text: 'What a day', image: null });
    await judge.close();
    expect(Object.values(probabilities).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect((await readdir(temporary)).filter((name) => name.startsWith('drf-'))).toEqual([]);
  });

  it('is not measured, and says why, where posts cannot be judged or read', { timeout: 120_000 }, async () => {
    const folder = await temporaryFolder();
    const tiny = await makeTinyRun(join(folder, 'tiny'));
    const head = await exportRun(tiny.path, { out: join(folder, 'head'), precision: 'float16' });
    expect(head.card.precision).toEqual({
      weights: 'float16',
      computed: 'float32',
      measured: null,
      reason: 'posts can be judged only by a model.onnx that reads images and texts as they are',
    });
    const run = await makeEmbeddedRun(join(folder, 'run')); // without splits
    const { card } = await exportRun(run.path, { out: join(folder, 'out'), precision: 'float16' });
    expect(card.notes?.join('\n')).toMatch(/What that costs was not measured: its validation posts cannot be read: .*a folder of split files/); // prettier-ignore
    const unasked = await exportRun(run.path, { out: join(folder, 'two'), precision: 'float16', measure: 0 });
    expect(unasked.card.precision).toMatchObject({ measured: null, reason: 'it was not asked for' });
  });

  it('leaves an export in float32 without a word of it, and writes nothing when aborted', async () => {
    const folder = await temporaryFolder();
    const tiny = await makeTinyRun(join(folder, 'tiny'));
    const usual = await exportRun(tiny.path, { out: join(folder, 'usual') });
    const named = await exportRun(tiny.path, { out: join(folder, 'named'), precision: 'float32' });
    expect(named.card).toEqual(usual.card);
    expect('precision' in usual.card).toBe(false);
    const aborted = exportRun(tiny.path, { out: join(folder, 'none'), signal: AbortSignal.abort() });
    await expect(aborted).rejects.toThrow(/aborted/);
    expect(await readdir(join(folder, 'none'))).toEqual([]);
  });
});
