import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, DataError } from '@drf/tensor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { explainMissing, loadRunJudges } from './run-judges.js';

/** As Node throws it. */
const notFound = (name: string): Error =>
  Object.assign(new Error(`Cannot find package '${name}' imported from /x/open-judge.js`), { code: 'ERR_MODULE_NOT_FOUND' }); // prettier-ignore

describe('where what judges by runs is not installed', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-run-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('says how to do without, and what to install', async () => {
    await writeFile(join(folder, 'config.json'), '{}');
    const error = await explainMissing(folder, notFound('@drf/predict'));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toBe(
      `Judging by the run ${folder} expected the package @drf/predict, which judges by runs, received an installation without @drf/predict; export the run where it was trained (export RUN --out FOLDER) and judge by that, or install all of it: npm install drf-sentiment`,
    );
    expect(String(await explainMissing(folder, notFound('@tensorflow/tfjs')))).toMatch(/without @tensorflow\/tfjs;/);
  });

  it('says of a folder that is no run either what is missing there', async () => {
    const none = await explainMissing(folder, notFound('@drf/predict'));
    expect(none).toBeInstanceOf(DataError);
    expect(String(none)).toMatch(
      /expected an export, whose card.json says what it holds, received a folder without one; /,
    );
    expect(String(await explainMissing(join(folder, 'x'), notFound('@drf/predict')))).toMatch(
      /received nothing there; /,
    );
  });

  it('leaves other errors as they are', async () => {
    const error = new SyntaxError('broken');
    expect(await explainMissing(folder, error)).toBe(error);
  });
});

it('loads what judges by runs where it is installed', async () => {
  expect(await loadRunJudges('runs/x')).toHaveProperty('open');
});
