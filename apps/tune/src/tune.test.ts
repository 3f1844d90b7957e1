import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TuneSummary } from '@drf/evaluation';
import { RunFolder } from '@drf/experiment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTuneProgram } from './program.js';

const PROGRAM = [fileURLToPath(new URL('../dist/main.js', import.meta.url))];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-tune-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Trainings of a few steps on the embedded data, with real encoders and worker processes. */
const FEW = ['quickstart-smoke', '--training.epochs', '3', '--trainings', '4', '--search', 'training.learning-rate=1e-4..1e-2:log', '--search', 'model.dim=4,8']; // prettier-ignore

function startTuning(
  out: string,
  ...flags: string[]
): { readonly child: ChildProcess; readonly ended: Promise<{ code: number | null; output: string }> } {
  const places = ['--out', join(folder, out), '--cache', join(folder, 'cache')];
  const child = spawn(process.execPath, [...PROGRAM, ...FEW, ...places, '--json', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on('exit', (code) => resolve({ code, output }));
  });
  return { child, ended };
}

const resultsIn = async (out: string): Promise<number> =>
  (await readFile(join(folder, out, 'journal.jsonl'), 'utf8').catch(() => '')).split('{"result"').length - 1;

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** What decides, without times. */
const scoresOf = ({ trials, best }: TuneSummary) => ({
  best: best?.trial,
  scores: trials.flatMap(({ results }) => results.map(({ trial, rung, score, loss }) => [trial, rung, score, loss])),
});

it(
  'a tuning that was killed goes on, and ends as one that was not, whatever works side by side',
  { timeout: 600_000 },
  async () => {
    const first = startTuning('killed', '--jobs', '1');
    await until(async () => (await resultsIn('killed')) > 0);
    first.child.kill('SIGKILL');
    await first.ended;
    const left = await resultsIn('killed');
    const [again, whole] = [await startTuning('killed', '--jobs', '2').ended, await startTuning('whole', '--jobs', '2').ended]; // prettier-ignore
    expect([again.code, whole.code]).toEqual([0, 0]);
    const summary = JSON.parse(again.output) as TuneSummary;
    expect(summary).toMatchObject({ outcome: 'finished', eta: 3, rungs: 2, posts: { train: 24, val: 24 } });
    expect(scoresOf(summary)).toEqual(scoresOf(JSON.parse(whole.output) as TuneSummary));
    expect(summary.trials).toHaveLength(4);
    expect(await resultsIn('killed')).toBeGreaterThan(left);

    // the winner is a run like any other, which its command would train again
    const run = await RunFolder.open(join(folder, 'killed', 'best'));
    const { config } = await run.readDescription();
    expect(config.training.learningRate).toBe(summary.best?.options['training.learning-rate']);
    expect(await run.readBest()).toMatchObject({ validation: { posts: 24, accuracy: summary.best?.result.accuracy } });
    expect(await readdir(run.path)).toContain('calibration.json');
    expect(summary.best?.command).toMatch(/^pnpm train quickstart-smoke --training.epochs 3( --training.learning-rate [\d.e-]+ --model.dim \d)?$/); // prettier-ignore
    const page = await readFile(join(folder, 'killed', 'report.html'), 'utf8');
    expect(page).toContain('4 trials were compared on 24 validation posts');
    const csv = await readFile(join(folder, 'killed', 'trials.csv'), 'utf8');
    expect(csv.trim().split('\r\n')).toHaveLength(1 + summary.trials.flatMap(({ results }) => results).length);

    // the same command again trains nothing; another question does not go into the same folder
    const before = await readFile(join(folder, 'killed', 'journal.jsonl'), 'utf8');
    expect((await startTuning('killed').ended).code).toBe(0);
    expect(await readFile(join(folder, 'killed', 'journal.jsonl'), 'utf8')).toBe(before);
    expect((await startTuning('killed', '--seed', '1').ended).code).toBe(1);
  },
);

describe('tune on the command line', () => {
  async function refusal(...args: string[]): Promise<unknown> {
    const program = createTuneProgram(() => undefined).exitOverride();
    program.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    return program.parseAsync(args, { from: 'user' }).then(
      () => 'nothing refused',
      (error: Error) => error.message,
    );
  }

  it.each([
    [['quickstart-smoke', '--search', 'training.lerning-rate=1..2'], 'did you mean "training.learning-rate"?'],
    [['quickstart-smoke', '--search', 'model.dim=4,8', '--model.dim', '4'], 'options that are not set by a flag, too'],
    [['quickstart-smoke', '--time', '5'], 'expected a duration such as 30m, 1h30m or 90s'],
    [['quickstart-smoke', '--trainings', '1'], 'expected a whole number from 2'],
    [['quickstrat-smoke'], 'did you mean "quickstart-smoke"?'],
    [[], 'or your own posts, --data FILE'],
  ])('refuses %j', async (args, message) => {
    expect(await refusal(...args, '--quiet', '--out', join(folder, 'refused'))).toContain(message);
    expect(await readdir(folder)).not.toContain('refused');
  });

  it('leaves a folder alone that holds something else', async () => {
    await writeFile(join(folder, 'mine.txt'), '');
    expect(await refusal('quickstart-smoke', '--quiet', '--overwrite', '--out', folder)).toContain(
      'nothing but a tuning',
    );
    expect(await readdir(folder)).toContain('mine.txt');
  });
});
