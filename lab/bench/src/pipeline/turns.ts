import { median } from '../measure.js';

/** How a side does a task: threads, processes, batch. */
export type Setting = Readonly<Record<string, string | number>>;

/** How much of a task is done: a few posts, so that what is left is the start; some, to compare settings; everything. */
export type Size = 'few' | 'some' | 'all';

/** What doing a task once took. */
export interface Run {
  readonly posts: number;
  readonly seconds: number;
  /** Of all processes of the side; NaN where the system does not tell, and of a service. */
  readonly cpuSeconds: number;
  /** Of all processes of the side at once, in MiB, shared memory counted once; null where the system does not tell. */
  readonly peakMegabytes: number | null;
  /** Of requests; in milliseconds. */
  readonly latency?: { readonly p50: number; readonly p99: number };
}

export interface Side {
  /** What is tried first. */
  readonly setting: Setting;
  /** What else is tried, stage by stage, given the best so far. */
  readonly stages: readonly ((best: Setting) => readonly Setting[])[];
  readonly run: (setting: Setting, size: Size) => Promise<Run>;
}

export type SideName = 'ours' | 'peer';
export type BothSides<Value> = Readonly<Record<SideName, Value>>;

export interface Task extends BothSides<Side> {
  readonly name: string;
  /** Whether a process is started for it, which is measured by a few posts alone. */
  readonly starts: boolean;
  /** How far the results of both sides agree, after both have run. */
  readonly agreement: () => Promise<Readonly<Record<string, number>>>;
}

/** Medians over the rounds. */
export interface SideResult {
  readonly setting: Setting;
  readonly posts: number;
  /** From the start of the command to its end. */
  readonly seconds: number;
  /** Of the same with a few posts. */
  readonly startSeconds: number;
  /** Without the start: further posts over further seconds. */
  readonly postsPerSecond: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number | null;
  readonly latency?: Run['latency'];
  /** Posts a second of each setting that was tried. */
  readonly tried: Readonly<Record<string, number>>;
}

export interface TaskResult extends BothSides<SideResult> {
  readonly task: string;
  /** Ours over the peer's, medians over the rounds. */
  readonly ratios: { readonly postsPerSecond: number; readonly seconds: number; readonly peakMegabytes: number | null };
  readonly agreement: Readonly<Record<string, number>>;
}

const NO_START = { posts: 0, seconds: 0 };

/** Posts a second after the start; of everything where there were too few posts to tell the start from the rest. */
export function rateOf(run: Pick<Run, 'posts' | 'seconds'>, start: Pick<Run, 'posts' | 'seconds'>): number {
  const [posts, seconds] = [run.posts - start.posts, run.seconds - start.seconds];
  return posts > 0 && seconds > 0 ? posts / seconds : run.posts / run.seconds;
}

export function describeSetting(setting: Setting): string {
  return Object.entries(setting)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

/**
 * The setting by which a side does some of a task fastest: the first one, or one of the stages', each of which begins with
 * the best so far.
 */
export async function chooseSetting(
  side: Side,
  starts: boolean,
  onTry: (setting: Setting) => void = () => undefined,
): Promise<Pick<SideResult, 'setting' | 'tried'>> {
  const tried: Record<string, number> = {};
  if (side.stages.length === 0) return { setting: side.setting, tried };
  const attempt = async (setting: Setting): Promise<number> => {
    onTry(setting);
    const start = starts ? await side.run(setting, 'few') : NO_START;
    return (tried[describeSetting(setting)] ??= rateOf(await side.run(setting, 'some'), start));
  };
  let best = { setting: side.setting, rate: await attempt(side.setting) };
  for (const stage of side.stages) {
    for (const setting of stage(best.setting)) {
      if (Object.hasOwn(tried, describeSetting(setting))) continue;
      const rate = await attempt(setting);
      if (rate > best.rate) best = { setting, rate };
    }
  }
  return { setting: best.setting, tried };
}

/**
 * Both sides of a task, each by its best setting, in rounds that take turns in who goes first.
 * @param onStep told what is done next
 */
export async function measureTask(
  task: Task,
  rounds: number,
  onStep: (step: string) => void = () => undefined,
): Promise<TaskResult> {
  const chosen = {} as Record<SideName, Pick<SideResult, 'setting' | 'tried'>>;
  for (const name of ['ours', 'peer'] as const) {
    const onTry = (setting: Setting): void => onStep(`${task.name}, ${name} by ${describeSetting(setting)}`);
    chosen[name] = await chooseSetting(task[name], task.starts, onTry);
  }
  const runs: BothSides<{ readonly run: Run; readonly start: Pick<Run, 'posts' | 'seconds'> }[]> = {
    ours: [],
    peer: [],
  };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const);
    for (const name of order) {
      onStep(`${task.name}, ${name}, round ${round + 1} of ${rounds}`);
      const { setting } = chosen[name];
      const start = task.starts ? await task[name].run(setting, 'few') : NO_START;
      runs[name].push({ start, run: await task[name].run(setting, 'all') });
    }
  }
  const sides = { ours: resultOf(chosen.ours, runs.ours), peer: resultOf(chosen.peer, runs.peer) };
  const ratio = (of: (each: (typeof runs.ours)[number]) => number): number =>
    median(runs.ours.map((each, i) => of(each) / of(runs.peer[i] as typeof each)));
  return {
    task: task.name,
    ...sides,
    ratios: {
      postsPerSecond: ratio(({ run, start }) => rateOf(run, start)),
      seconds: ratio(({ run }) => run.seconds),
      peakMegabytes: sides.ours.peakMegabytes === null || sides.peer.peakMegabytes === null ? null : sides.ours.peakMegabytes / sides.peer.peakMegabytes, // prettier-ignore
    },
    agreement: await task.agreement(),
  };
}

function resultOf(
  chosen: Pick<SideResult, 'setting' | 'tried'>,
  runs: readonly { readonly run: Run; readonly start: Pick<Run, 'posts' | 'seconds'> }[],
): SideResult {
  const of = (value: (each: (typeof runs)[number]) => number): number => median(runs.map(value));
  const peaks = runs.flatMap(({ run }) => run.peakMegabytes ?? []);
  const hasLatency = runs[0]?.run.latency !== undefined;
  return {
    ...chosen,
    posts: of(({ run }) => run.posts),
    seconds: of(({ run }) => run.seconds),
    startSeconds: of(({ start }) => start.seconds),
    postsPerSecond: of(({ run, start }) => rateOf(run, start)),
    cpuSeconds: of(({ run }) => run.cpuSeconds),
    peakMegabytes: peaks.length === 0 ? null : median(peaks),
    ...(hasLatency ? { latency: { p50: of(({ run }) => run.latency?.p50 ?? NaN), p99: of(({ run }) => run.latency?.p99 ?? NaN) } } : {}), // prettier-ignore
  };
}
