import { setTimeout as wait } from 'node:timers/promises';
import type { Storage } from '@drf/files';
import { mapAhead } from '@drf/tensor';
import type { PublishedPlan, Runner, Unit, UnitEvent, UnitFailure } from './contract.js';

export interface RunUnitsOptions {
  readonly plan: PublishedPlan;
  readonly runner: Runner;
  /** The program that does one unit: the app's `unit.js`. */
  readonly program: URL;
  /** Units at a time; default: as many as fit. */
  readonly lanes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: UnitEvent) => void) | undefined;
  /**
   * Called once for each unit whose output is there, those of former runs first; the next call waits for its promise.
   * What it throws ends everything.
   */
  readonly onOutput?: ((unit: Unit, index: number) => void | Promise<void>) | undefined;
}

/** Outputs of one folder from so many on are looked for by listing it, which in object storage costs a request a thousand. */
const LISTED_FROM = 16;
const FINDS_AT_ONCE = 16;
/** What an engine calls done together is looked for together. */
const GATHERING_MS = 100;
/** File systems of several hosts may show a new file late: how long to wait for what an engine calls done. */
const LATE_MS = [1000, 3000, 10_000];

/**
 * Does the units of a plan whose outputs are not there yet, each at least once, with any runner. What counts is whether
 * an output is there, not what the runner says of it. When the signal aborts, the same call goes on another time.
 * @returns the units that were given up
 * @throws what `onOutput` throws; DrfError when the runner's engine does not work
 */
export async function runUnits(options: RunUnitsOptions): Promise<readonly UnitFailure[]> {
  const { plan, runner, program, lanes, onEvent } = options;
  const failed = new AbortController();
  const signals = options.signal === undefined ? [failed.signal] : [failed.signal, options.signal];
  const signal = AbortSignal.any(signals);
  const outputs = new Outputs(plan, options.onOutput, () => failed.abort());
  await outputs.collect(outputs.missing);
  const due = outputs.missing;
  if (due.length === 0 || signal.aborted) return [];
  const claimed = new Set<number>();
  const reasons = new Map<number, string>();
  try {
    const failures = await runner.run({
      plan,
      due,
      program,
      lanes,
      signal,
      onEvent: (event) => {
        onEvent?.(event);
        if (event.kind !== 'done') return;
        claimed.add(event.index);
        outputs.expect(event.index);
      },
    });
    for (const { index, reason } of failures) reasons.set(index, reason);
  } finally {
    await outputs.settled();
  }
  await outputs.collect(outputs.missing);
  for (const late of LATE_MS) {
    const awaited = outputs.missing.filter((index) => claimed.has(index) && !reasons.has(index));
    if (awaited.length === 0 || signal.aborted) break;
    await wait(late);
    await outputs.collect(awaited);
  }
  if (runner.onlyPlans === true) return [];
  const silent = (index: number): string =>
    claimed.has(index)
      ? `${runner.name} calls it done, but its output ${(plan.units[index] as Unit).output} is not in ${plan.storage.location}`
      : `${runner.name} ended without it, and gave no reason`;
  return outputs.missing
    .filter((index) => reasons.has(index) || !signal.aborted)
    .map((index) => ({ index, reason: reasons.get(index) ?? silent(index) }));
}

/** Which outputs were handed over, and which are still missing. */
class Outputs {
  private readonly waiting: Set<number>;
  private expected = new Set<number>();
  private line = Promise.resolve();
  private problem: { readonly error: unknown } | undefined;
  private gathering: NodeJS.Timeout | undefined;

  constructor(
    private readonly plan: PublishedPlan,
    private readonly onOutput: RunUnitsOptions['onOutput'],
    private readonly onProblem: () => void,
  ) {
    this.waiting = new Set(plan.units.keys());
  }

  get missing(): readonly number[] {
    return [...this.waiting];
  }

  /** Looks for some outputs, and hands over those that are there. @throws what handing over or looking threw, now or before */
  async collect(indices: readonly number[]): Promise<void> {
    const work = this.line.then(async () => {
      if (this.problem !== undefined) return;
      const due = indices.filter((index) => this.waiting.has(index));
      const found = await findOutputs(this.plan.storage, due.map((index) => this.unit(index).output)); // prettier-ignore
      for (const index of due.filter((each) => found.has(this.unit(each).output))) {
        this.waiting.delete(index);
        await this.onOutput?.(this.unit(index), index);
      }
    });
    this.line = work.catch((error: unknown) => {
      this.problem ??= { error };
      this.onProblem();
    });
    await this.line;
    this.assertSound();
  }

  /** An output should be there by now. */
  expect(index: number): void {
    this.expected.add(index);
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      const indices = [...this.expected];
      this.expected = new Set();
      this.collect(indices).catch(() => undefined); // `settled` tells
    }, GATHERING_MS);
  }

  /** Waits for what is under way, and begins nothing more. @throws what handing over or looking threw */
  async settled(): Promise<void> {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    await this.line;
    this.assertSound();
  }

  private assertSound(): void {
    if (this.problem !== undefined) throw this.problem.error;
  }

  private unit(index: number): Unit {
    return this.plan.units[index] as Unit;
  }
}

/** Which of some paths are there. */
export async function findOutputs(storage: Storage, paths: readonly string[]): Promise<ReadonlySet<string>> {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const others = folders.get(folder);
    if (others === undefined) folders.set(folder, [path]);
    else others.push(path);
  }
  const found = new Set<string>();
  const single: string[] = [];
  for (const [folder, wanted] of folders) {
    if (wanted.length < LISTED_FROM) {
      single.push(...wanted);
      continue;
    }
    const missing = new Set(wanted);
    for await (const { path } of storage.list(folder)) {
      if (missing.delete(path)) found.add(path);
      if (missing.size === 0) break;
    }
  }
  const look = async (path: string): Promise<string | undefined> => (await storage.find(path))?.path;
  for await (const path of mapAhead(single, FINDS_AT_ONCE, look)) if (path !== undefined) found.add(path);
  return found;
}
