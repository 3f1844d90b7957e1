// What runs in a unit's process: `node unit.js PLAN INDEX`, `node unit.js PLAN --lines`.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { loadDefinition } from '@drf/files';
import { ConfigurationError, DrfError, refuser } from '@drf/tensor';
import { printable, startJob } from '@drf/terminal';
import {
  UNIT_EXIT,
  type PublishedPlan,
  type UnitEvent,
  type UnitKind,
  type UnitProgress,
  type UnitWorker,
} from './contract.js';
import { mayPass, readPlan, unitAt } from './plan.js';
import { threadVariables } from './resources.js';

/** What a program says line by line in its long-lived form: that it is open, and what happens to its units. */
export type UnitLine = UnitEvent | { readonly kind: 'ready' };

/** Time that a unit is given to end after a signal. */
const PATIENCE_MS = 10_000;
const MS_BETWEEN_REPORTS = 500;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The main of a program of units; see the README for its arguments and exit codes.
 * @param kinds that it can do; each loads what is heavy in `open`
 */
export async function unitProgram(kinds: readonly UnitKind[]): Promise<void> {
  try {
    const { location, index, own } = readArguments(process.argv.slice(2));
    if (index === 'lines') await performLines(kinds, location, own);
    else await performOne(kinds, location, index, own);
  } catch (error) {
    exitWith(error);
  }
}

interface Arguments {
  readonly location: string;
  readonly index: number | 'lines';
  /** Modules of the user's own. */
  readonly own: readonly string[];
}

function readArguments(args: readonly string[]): Arguments {
  const options = { lines: { type: 'boolean' }, own: { type: 'string', multiple: true } } as const;
  const refuse = refuser(ConfigurationError, 'The program of units');
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    const [location, index, ...more] = positionals;
    const own = values.own ?? [];
    if (location !== undefined && values.lines === true && index === undefined)
      return { location, index: 'lines', own };
    if (location !== undefined && values.lines !== true && /^\d+$/.test(index ?? '') && more.length === 0) {
      return { location, index: Number(index), own };
    }
  } catch (error) {
    throw refuse('PLAN INDEX, or PLAN --lines', (error as Error).message);
  }
  throw refuse('PLAN INDEX, or PLAN --lines', JSON.stringify(args.join(' ')));
}

/** Ends the process as an error asks for, with its message as the last line. */
function exitWith(error: unknown): void {
  process.stderr.write(`${messageOf(error)}\n`, () => process.exit(mayPass(error) ? UNIT_EXIT.again : UNIT_EXIT.never));
}

/** In one line where the error is ours; with the stack of one that is a bug, and its message once more below. */
function messageOf(error: unknown): string {
  if (error instanceof DrfError) return oneLine(error.message);
  if (!(error instanceof Error)) return oneLine(String(error));
  return `${error.stack ?? ''}\n${oneLine(`${error.name}: ${error.message}`)}`;
}

const oneLine = (text: string): string => printable(text.replaceAll(/\s*\n\s*/g, ' '), { layout: false });

/** A plan whose kind is open, once a unit needs it. */
class UnitSession {
  private worker: UnitWorker | undefined;

  private constructor(
    readonly plan: PublishedPlan,
    private readonly kinds: readonly UnitKind[],
    private readonly own: readonly string[],
  ) {}

  static async of(kinds: readonly UnitKind[], location: string, own: readonly string[]): Promise<UnitSession> {
    return new UnitSession(await readPlan(location), kinds, own);
  }

  private get threads(): number {
    return Math.max(1, Math.floor(this.plan.resources.cores));
  }

  /** @throws ConfigurationError when this program has not the plan's kind, or another code */
  async open(): Promise<UnitWorker> {
    if (this.worker !== undefined) return this.worker;
    const { plan, threads } = this;
    const kind = this.kinds.find((known) => known.kind === plan.kind);
    const refuse = refuser(ConfigurationError, `Plan ${plan.location}`);
    if (kind === undefined) {
      const known = this.kinds.map((each) => `"${each.kind}"`).join(', ');
      throw refuse(`a program that does units "${plan.kind}"`, `one that does ${known}`, 'check --unit-command');
    }
    if (kind.code !== plan.code) {
      const remedy = 'install the same version on all machines, or run the command again to plan anew';
      throw refuse(`units to be done by code "${plan.code}"`, `code "${kind.code}"`, remedy);
    }
    for (const [name, value] of Object.entries(threadVariables(threads))) process.env[name] ??= value;
    for (const module of this.own) await loadDefinition(module);
    return (this.worker = await kind.open({ plan, threads }));
  }

  /**
   * Does a unit, unless its output is there.
   * @returns whether it had to be done
   * @throws DrfError for what another try cannot mend, UnavailableError and others for what it may
   */
  async perform(index: number, signal: AbortSignal, report: (progress: UnitProgress) => void): Promise<boolean> {
    const { plan, threads } = this;
    const unit = unitAt(plan, index);
    if ((await plan.storage.find(unit.output)) !== undefined) return false;
    const worker = await this.open();
    await worker.perform(unit, { plan, threads, signal, report });
    if ((await plan.storage.find(unit.output)) === undefined) {
      throw new Error(
        `unit ${index} (${unit.label}) ended without its output ${unit.output}: a bug of kind "${plan.kind}"`,
      );
    }
    return true;
  }

  async close(): Promise<void> {
    await this.worker?.close();
  }
}

async function performOne(
  kinds: readonly UnitKind[],
  location: string,
  index: number,
  own: readonly string[],
): Promise<void> {
  if (process.env['DRF_UNIT_PARENT'] === 'stdin') endWithStandardInput();
  const controller = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (exitCode !== undefined) process.exit(code); // the second time at once
      exitCode = code;
      controller.abort();
      setTimeout(() => process.exit(code), PATIENCE_MS).unref();
    });
  }
  const session = await UnitSession.of(kinds, location, own);
  const { label } = unitAt(session.plan, index);
  let job: ReturnType<typeof startJob> | undefined;
  let what: string | undefined;
  const report = (progress: UnitProgress): void => {
    if (progress.what !== what) job?.stop();
    if (progress.what !== what) job = startJob({ label: `${label}: ${progress.what}`, unit: 'steps' });
    what = progress.what;
    job?.update(progress.done, progress.total);
  };
  try {
    const wasDue = await session.perform(index, controller.signal, report);
    job?.stop();
    process.stderr.write(`${oneLine(label)}: ${wasDue ? 'done' : 'was there already'}\n`);
    await session.close();
  } catch (error) {
    job?.stop();
    if (exitCode === undefined) throw error;
  }
  process.exit(exitCode ?? UNIT_EXIT.done);
}

async function performLines(kinds: readonly UnitKind[], location: string, own: readonly string[]): Promise<void> {
  // standard output carries events alone, whatever a library prints
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  const send = (line: UnitLine): void => void write(`${JSON.stringify(line)}\n`);
  const controller = new AbortController();
  let busy = false;
  process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group of processes: the parent decides what it means
  process.on('SIGTERM', () => {
    if (!busy) process.exit(SIGNALS.SIGTERM);
    controller.abort();
    setTimeout(() => process.exit(SIGNALS.SIGTERM), PATIENCE_MS).unref();
  });
  const lines = createInterface({ input: process.stdin });
  let session: UnitSession | undefined;
  lines.on('close', () => {
    if (busy || session === undefined) process.exit(UNIT_EXIT.again); // nobody is left who wants results
    setTimeout(() => process.exit(UNIT_EXIT.done), PATIENCE_MS).unref();
    void session.close().finally(() => process.exit(UNIT_EXIT.done));
  });
  const opened = (session = await UnitSession.of(kinds, location, own));
  await opened.open();
  let queue = Promise.resolve();
  const perform = async (index: number): Promise<void> => {
    busy = true;
    const report = sparingly((progress) => send({ kind: 'progress', index, progress }));
    send({ kind: 'started', index });
    try {
      await opened.perform(index, controller.signal, report);
      send({ kind: 'done', index });
    } catch (error) {
      if (controller.signal.aborted) process.exit(SIGNALS.SIGTERM);
      if (!(error instanceof DrfError)) process.stderr.write(`${messageOf(error)}\n`);
      const reason = error instanceof Error ? oneLine(error.message) : oneLine(String(error));
      send({ kind: mayPass(error) ? 'again' : 'failed', index, reason });
    }
    busy = false;
    if (controller.signal.aborted) process.exit(SIGNALS.SIGTERM);
  };
  lines.on('line', (line) => {
    if (/^\d+$/.test(line.trim())) queue = queue.then(() => perform(Number(line)));
  });
  send({ kind: 'ready' });
}

/** Lets progress through twice a second at most, and its end always. */
export function sparingly(report: (progress: UnitProgress) => void): (progress: UnitProgress) => void {
  let last = 0;
  return (progress) => {
    const now = performance.now();
    if (now - last < MS_BETWEEN_REPORTS && progress.done < progress.total) return;
    last = now;
    report(progress);
  };
}

/** A starter that is gone, however it went, has no use for results. */
function endWithStandardInput(): void {
  for (const event of ['end', 'error']) process.stdin.on(event, () => process.exit(UNIT_EXIT.again));
  process.stdin.resume();
}
