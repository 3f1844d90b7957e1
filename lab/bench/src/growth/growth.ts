import { UnavailableError } from '@drf/tensor';
import { lastLines, runCommand } from '@drf/terminal';
import { slopesOf, type Slopes } from './slopes.js';
import type { Growth, Operation, SizeCost, Topic } from './topic.js';

/** How the cost of an operation grew over sizes. */
export interface OperationGrowth {
  readonly operation: string;
  readonly words: string;
  readonly sizes: readonly (SizeCost & { readonly size: number })[];
  readonly time: Slopes;
  /** Of the largest resident size, of which Node and libraries are a part: below that of the work alone. */
  readonly memory: Slopes;
  /** What the slopes over the upper half of the sizes may be, before the margin. */
  readonly atMost: Growth;
  /** Which of time and memory grow faster than that, by more than the margin. */
  readonly tooSteep: readonly (keyof Growth)[];
}

export interface TopicGrowth {
  readonly topic: string;
  readonly unit: string;
  readonly operations: readonly OperationGrowth[];
}

/**
 * What an operation's costs say about its growth.
 * @param costs of two sizes at least, ascending
 * @param margin by which a slope may lie above what must hold
 */
export function growthOf(
  { name, words, atMost }: Pick<Operation, 'name' | 'words' | 'atMost'>,
  costs: OperationGrowth['sizes'],
  margin: number,
): OperationGrowth {
  const sizes = costs.map(({ size }) => size);
  const time = slopesOf(sizes, costs.map(({ milliseconds }) => milliseconds)); // prettier-ignore
  const memory = slopesOf(sizes, costs.map(({ peakMegabytes }) => peakMegabytes)); // prettier-ignore
  const tooSteep = [...(time.upper > atMost.time + margin ? ['time' as const] : []), ...(memory.upper > atMost.memory + margin ? ['memory' as const] : [])]; // prettier-ignore
  return { operation: name, words, sizes: costs, time, memory, atMost, tooSteep };
}

export interface GrowthOptions {
  /** Calls of each size, of which the fastest counts. */
  readonly calls: number;
  readonly margin: number;
  /** Called when a size is measured. */
  readonly onSize?: () => void;
}

/**
 * Measures operations at each size, in the order of the sizes, each in a process of its own.
 * @throws UnavailableError with what a process printed where it fails
 */
export async function measureGrowth(
  topic: Topic,
  operations: readonly Operation[],
  sizes: readonly number[],
  { calls, margin, onSize }: GrowthOptions,
): Promise<TopicGrowth> {
  const measured: OperationGrowth[] = [];
  for (const operation of operations) {
    const costs: OperationGrowth['sizes'][number][] = [];
    for (const size of sizes) {
      costs.push({ size, ...(await inOwnProcess(topic, operation, size, calls)) });
      onSize?.();
    }
    measured.push(growthOf(operation, costs, margin));
  }
  return { topic: topic.name, unit: topic.unit, operations: measured };
}

async function inOwnProcess(topic: Topic, { name }: Operation, size: number, calls: number): Promise<SizeCost> {
  const [program = '', ...words] = [
    ...(topic.launcher?.(size) ?? []),
    ...[process.execPath, ...process.execArgv, process.argv[1] as string],
    ...['growth', '--only', topic.name, '--operation', name, '--size', String(size), '--calls', String(calls)],
  ];
  const { code, stdout, stderr, missing } = await runCommand(program, words);
  if (code === 0) return JSON.parse(stdout) as SizeCost;
  throw new UnavailableError({
    subject: `bench growth, ${topic.name}, ${name} at ${size}`,
    expected: `to be measured in a process of its own`,
    received: missing ? `no program ${program}` : `exit code ${code}: ${lastLines(stderr || stdout)}`,
    remedy: missing ? 'install Open MPI, or choose other parts by --only' : 'choose smaller sizes where memory ran out',
  });
}
