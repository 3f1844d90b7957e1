import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunFolder } from '@drf/experiment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensembleText, judgedTogether, type MemberAnswers } from './judged-together.js';
import { syntheticCell } from './testing/synthetic.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-together-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Three posts, of which the second is good; the probability that each is good. */
async function member(
  name: string,
  good: readonly number[],
  temperature: number | null,
  others: Partial<MemberAnswers> = {},
): Promise<MemberAnswers> {
  const run = RunFolder.unmade(join(folder, name));
  await mkdir(run.path, { recursive: true });
  const fitted = temperature === null ? null : { temperature, before: 1, after: 1, posts: 100, basis: 'fitted' };
  const calibration = { format: 'drf-calibration-2', checkpoint: 'step-2', temperature: fitted, quality: null };
  await writeFile(run.file('calibration.json'), JSON.stringify(calibration));
  const cell = (named: string) => ({
    result: syntheticCell(named, 5),
    ids: ['a', 'b', 'c'],
    labels: Int32Array.from([0, 1, 0]),
    probabilities: Float32Array.from(good.flatMap((value) => [1 - value, value])),
  });
  const posts = { postsHash: 'h', split: 'val', classes: ['bad', 'good'] };
  return { ...posts, run: { folder: run, checkpoint: join(run.path, 'checkpoints', 'step-2') }, cells: [cell('clean'), cell('fixed:image:C')], ...others }; // prettier-ignore
}

describe('an ensemble by itself', () => {
  it('is the mean of calibrated probabilities', async () => {
    // the first is sure of "good" for a bad post; at its temperature of 4 it is no longer sure enough
    const sure = await member('sure', [0.9, 0.9, 0.2], 4);
    const unsure = await member('unsure', [0.3, 0.6, 0.2], null);
    const result = await judgedTogether([sure, unsure]);
    expect(result).toMatchObject({ members: 2, split: 'val', posts: 3 });
    expect(result?.cells.map(({ cell, report }) => [cell, report.accuracy])).toEqual([['clean', 1], ['fixed:image:C', 1]]); // prettier-ignore
    const uncalibrated = await judgedTogether([await member('sure', [0.9, 0.9, 0.2], null), unsure]);
    expect(uncalibrated?.cells[0]?.report.accuracy).toBeCloseTo(2 / 3);
    const ofAnother = { ...sure, run: { ...sure.run, checkpoint: 'step-1' } }; // a calibration of another checkpoint
    expect((await judgedTogether([ofAnother, unsure]))?.cells[0]?.report.accuracy).toBeCloseTo(2 / 3);
    expect(ensembleText(result as NonNullable<typeof result>)).toMatch(/its 2 members together, on 3 posts of split val:\n[^]*clean .*100\.0/); // prettier-ignore
  });

  it('needs the same posts of all members', async () => {
    const one = await member('one', [0.1, 0.9, 0.1], 1);
    expect(await judgedTogether([one])).toBeNull();
    expect(await judgedTogether([one, await member('two', [0.1, 0.9, 0.1], 1, { postsHash: 'i' })])).toBeNull();
    expect(await judgedTogether([one, await member('two', [0.1, 0.9, 0.1], 1, { classes: ['good', 'bad'] })])).toBeNull(); // prettier-ignore
  });

  it('leaves out cells that a member lacks, or answered for other posts', async () => {
    const one = await member('one', [0.1, 0.9, 0.1], 1);
    const [clean, fixed] = one.cells as [MemberAnswers['cells'][0], MemberAnswers['cells'][0]];
    const cellsWith = async (cells: MemberAnswers['cells']) =>
      (await judgedTogether([one, { ...one, cells }]))?.cells.map(({ cell }) => cell);
    expect(await cellsWith([clean])).toEqual(['clean']);
    expect(await cellsWith([{ ...clean, ids: ['a', 'b', 'd'] }, fixed])).toEqual(['fixed:image:C']);
  });
});
