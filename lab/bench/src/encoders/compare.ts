import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UnavailableError } from '@drf/tensor';
import { median } from '../measure.js';
import type { CallCounts, EncoderTask, SideReport } from './measure.js';

const execute = promisify(execFile);
const PEER = fileURLToPath(new URL('../../peer/encoders_torch.py', import.meta.url));

export interface EncoderPair {
  readonly ours: SideReport;
  readonly peer: SideReport;
}

export interface EncoderComparison {
  readonly part: EncoderTask['part'];
  readonly mode: EncoderTask['mode'];
  readonly batch: number;
  readonly pairs: readonly EncoderPair[];
  /** Medians of ours over the peer's, pair by pair; below 1 ours takes less. */
  readonly ratios: { readonly seconds: number; readonly cpuSeconds: number; readonly peakMegabytes: number };
  /** Posts a second, medians. */
  readonly postsPerSecond: { readonly ours: number; readonly peer: number };
}

/** The flags that both sides understand. */
function flags({ part, mode, sizes }: EncoderTask, { calls, warmUp }: CallCounts): string[] {
  const { recompute, ...rest } = sizes;
  const numbers = Object.entries(rest).filter(([name]) => name !== 'queue'); // DRF's alone
  return [
    ...['--part', part, '--mode', mode, '--calls', String(calls), '--warm-up', String(warmUp)],
    ...numbers.flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(recompute ? ['--recompute'] : []),
  ];
}

/** Ours in processes of their own, whose peak memory then is the task's, at whichever of its settings is fastest. */
async function runOurs(task: EncoderTask, counts: CallCounts): Promise<SideReport> {
  const own = [...process.execArgv, process.argv[1] as string, 'encoders', '--ours', '--json'];
  const reports: SideReport[] = [];
  for (const setting of [[], ['--spinning']]) {
    const args = [...own, ...setting, '--queue', String(task.sizes.queue), ...flags(task, counts)];
    reports.push(JSON.parse((await execute(process.execPath, args)).stdout) as SideReport);
  }
  return fastest(reports);
}

function fastest(reports: readonly SideReport[]): SideReport {
  return reports.reduce((best, each) => (each.seconds < best.seconds ? each : best));
}

/** How PyTorch may wait between loops, and whether it compiles the model; which is best depends on machine and task. */
const PEER_SETTINGS = [
  { waiting: 'PASSIVE', compile: false },
  { waiting: 'ACTIVE', compile: false },
  { waiting: 'ACTIVE', compile: true },
] as const;

/** The peer at whichever of its settings is fastest. @throws UnavailableError when that Python lacks PyTorch or transformers */
async function runPeer(python: string, task: EncoderTask, counts: CallCounts): Promise<SideReport> {
  const reports: SideReport[] = [];
  for (const { waiting, compile } of PEER_SETTINGS) {
    const run = runPeerAt(python, waiting, [...flags(task, counts), ...(compile ? ['--compile'] : [])]);
    const report = compile ? await run.catch(() => undefined) : await run; // there may be no C++ compiler
    if (report !== undefined) reports.push(report);
  }
  return fastest(reports);
}

async function runPeerAt(python: string, waiting: string, args: readonly string[]): Promise<SideReport> {
  const env = { ...process.env, OMP_WAIT_POLICY: waiting };
  const { stdout } = await execute(python, [PEER, ...args], { env }).catch((error: { stderr?: string }) => {
    throw new UnavailableError({
      subject: 'bench encoders',
      expected: `PyTorch and transformers in ${python}`,
      received: (error.stderr ?? String(error)).trim().split('\n').at(-1) ?? 'nothing',
      remedy: 'install them ("pip install torch transformers"), or pass --python',
    });
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as SideReport;
}

/** Runs a task in PyTorch and here in turns, each side at its fastest setting, each time in fresh processes. */
export async function compareEncoders(
  task: EncoderTask,
  counts: CallCounts,
  options: { readonly python: string; readonly pairs: number; readonly onPair?: (pair: EncoderPair) => void },
): Promise<EncoderComparison> {
  const pairs: EncoderPair[] = [];
  for (let number = 0; number < options.pairs; number++) {
    const peer = await runPeer(options.python, task, counts);
    const pair = { peer, ours: await runOurs(task, counts) };
    pairs.push(pair);
    options.onPair?.(pair);
  }
  const ratio = (what: 'seconds' | 'cpuSeconds' | 'peakMegabytes'): number =>
    median(pairs.map(({ ours, peer }) => ours[what] / peer[what]));
  const rate = (side: 'ours' | 'peer'): number => task.sizes.batch / median(pairs.map((pair) => pair[side].seconds));
  return {
    part: task.part,
    mode: task.mode,
    batch: task.sizes.batch,
    pairs,
    ratios: { seconds: ratio('seconds'), cpuSeconds: ratio('cpuSeconds'), peakMegabytes: ratio('peakMegabytes') },
    postsPerSecond: { ours: rate('ours'), peer: rate('peer') },
  };
}
