import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import { DataError, UnavailableError } from '@drf/tensor';
import { measureStep } from './bench-step.js';
import { median } from './measure.js';
import type { WorkloadSizes } from './workload.js';

const execute = promisify(execFile);

/** Milliseconds a step of both sides, each at its best setting. */
export interface PairedRun {
  readonly ours: number;
  /** Whether idle threads wait asleep or by spinning. */
  readonly ourSetting: 'waiting' | 'spinning';
  readonly peer: number;
  readonly peerSetting: string;
}

export interface Comparison {
  readonly runs: readonly PairedRun[];
  /** Ours over the peer's, of each pair, and their median. */
  readonly ratios: readonly number[];
  readonly ratio: number;
}

/** A Python that has PyTorch. @throws UnavailableError when none has. */
async function pythonWithTorch(candidates: readonly string[]): Promise<string> {
  for (const python of candidates) {
    const works = await execute(python, ['-c', 'import torch']).then(
      () => true,
      () => false,
    );
    if (works) return python;
  }
  throw new UnavailableError({
    subject: 'bench compare',
    expected: `PyTorch in one of ${candidates.join(', ')}`,
    received: 'none that imports torch',
    remedy: 'install it ("pip install torch", or Debian\'s python3-torch with libopenblas0-pthread) or pass --python',
  });
}

async function runPeer(
  python: string,
  script: string,
  sizes: WorkloadSizes,
  steps: number,
): Promise<Pick<PairedRun, 'peer' | 'peerSetting'>> {
  const { batch, dim, queue } = sizes;
  const options = { steps, batch, dim, queue };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await execute(python, [script, ...flags]);
  const { msPerStep, setting } = JSON.parse(stdout) as { msPerStep: number; setting: string };
  return { peer: msPerStep, peerSetting: setting };
}

async function runOurs(sizes: WorkloadSizes, steps: number): Promise<Pick<PairedRun, 'ours' | 'ourSetting'>> {
  const measure = async (spinning: boolean): Promise<number> =>
    (await measureStep('compiled', sizes, { steps, warmUp: 10, peak: false, spinning })).msPerStep;
  const waiting = await measure(false);
  const spinning = await measure(true);
  return waiting <= spinning ? { ours: waiting, ourSetting: 'waiting' } : { ours: spinning, ourSetting: 'spinning' };
}

/**
 * Runs the peer script and ours in turns, so that both meet the same machine.
 * @param script the peer in PyTorch, which prints {"msPerStep": …, "setting": …} for its best setting
 * @throws DataError when the script is missing; UnavailableError when there is no PyTorch
 */
export async function compareWithPeer(
  script: string,
  sizes: WorkloadSizes,
  options: {
    readonly steps: number;
    readonly pairs: number;
    readonly python?: string;
    readonly onPair?: (run: PairedRun) => void;
  },
): Promise<Comparison> {
  await access(script).catch(() => {
    throw new DataError({
      subject: 'bench compare',
      expected: 'the peer script',
      received: `no file ${script}`,
      remedy: 'pass --peer',
    });
  });
  const python = await pythonWithTorch(options.python ? [options.python] : ['python3', '/usr/bin/python3']);
  const runs: PairedRun[] = [];
  for (let pair = 0; pair < options.pairs; pair++) {
    const ours = await runOurs(sizes, options.steps);
    const run = { ...ours, ...(await runPeer(python, script, sizes, options.steps)) };
    runs.push(run);
    options.onPair?.(run);
  }
  const ratios = runs.map((run) => run.ours / run.peer);
  return { runs, ratios, ratio: median(ratios) };
}
