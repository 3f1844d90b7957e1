import { readFileSync } from 'node:fs';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { DataError } from '@drf/tensor';

/** The holder touches its lock this often … */
const TOUCH_MILLISECONDS = 20_000;
/** … so one of another machine that was not touched for so long has no holder any more. */
const FORGOTTEN_MILLISECONDS = 120_000;
/** A lock without content is one being written; longer ago, one whose writer was killed. */
const UNWRITTEN_MILLISECONDS = 2_000;
/** How long, and how often, to wait for another process that takes a lock without a holder away. */
const GUARD_MILLISECONDS = 20;
const MOST_TRIES = 200;

/** Who holds a lock: a process is known by its id and its start, since ids are given out again. */
interface Holder {
  readonly process: number;
  readonly started: string | null;
  readonly host: string;
}

/** A lock that this process holds. */
export interface FileLock {
  /** Gives it back. A second call does nothing. */
  release(): Promise<void>;
}

/**
 * Takes a lock that one process at a time can hold: a file that names its holder. A lock whose holder has ended, however
 * it ended, counts for nothing, so nobody waits after a crash.
 * @param path of the lock's file; its folder exists
 * @param subject what is locked, for the message
 * @throws DataError when another process, or this one, holds it
 */
export async function lockFile(path: string, subject: string): Promise<FileLock> {
  const mine: Holder = { process: process.pid, started: startOf(process.pid), host: hostname() };
  for (let tries = 0; !(await create(path, `${JSON.stringify(mine)}\n`)); tries++) {
    const holder = await inspect(path);
    if (holder !== undefined || tries >= MOST_TRIES) throw held(path, subject, holder);
    await removeStale(path);
  }
  const timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), TOUCH_MILLISECONDS);
  timer.unref();
  let isHeld = true;
  return {
    release: async () => {
      if (!isHeld) return;
      isHeld = false;
      clearInterval(timer);
      await rm(path, { force: true });
    },
  };
}

/** @throws DataError when a process holds the lock; one that is not there, or has no holder, is no hindrance */
export async function assertUnlocked(path: string, subject: string): Promise<void> {
  const holder = await inspect(path);
  if (holder !== undefined) throw held(path, subject, holder);
}

/** @returns false when the file is there already */
async function create(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(content).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The lock's holder, if that one still lives. */
async function inspect(path: string): Promise<Holder | undefined> {
  const content = await readFile(path, 'utf8').catch(() => '');
  const age = await stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => Infinity,
  );
  const holder = parseHolder(content);
  if (holder === undefined) {
    const isBeingWritten = content === '' && age < UNWRITTEN_MILLISECONDS;
    return isBeingWritten ? { process: 0, started: null, host: hostname() } : undefined;
  }
  const isAlive = holder.host === hostname() ? isRunning(holder.process, holder.started) : age < FORGOTTEN_MILLISECONDS;
  return isAlive ? holder : undefined;
}

function parseHolder(content: string): Holder | undefined {
  try {
    const value = JSON.parse(content) as Partial<Holder> | null;
    const isHolder = Number.isSafeInteger(value?.process) && typeof value?.host === 'string';
    return isHolder ? (value as Holder) : undefined;
  } catch {
    return undefined;
  }
}

function isRunning(process_: number, started: string | null): boolean {
  try {
    process.kill(process_, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false; // else it is there, and another user's
  }
  return started === null || startOf(process_) === started;
}

/** When a process started, in clock ticks after the machine did, where the system tells (Linux). */
function startOf(process_: number): string | null {
  try {
    const status = readFileSync(`/proc/${process_}/stat`, 'utf8');
    return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? null; // names may hold blanks and brackets
  } catch {
    return null;
  }
}

/**
 * Takes a lock without a holder away. One process at a time does so, the one that made the guard file, and it looks again
 * first: else it could take away the new lock of a process that was faster.
 */
async function removeStale(path: string): Promise<void> {
  const guard = `${path}.guard`;
  if (!(await create(guard, ''))) {
    const age = await stat(guard).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > UNWRITTEN_MILLISECONDS) await rm(guard, { force: true }); // its maker was killed
    await setTimeout(GUARD_MILLISECONDS);
    return;
  }
  try {
    if ((await inspect(path)) === undefined) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

function held(path: string, subject: string, holder: Holder | undefined): DataError {
  const who = holder === undefined || holder.process === 0 ? 'another process' : `process ${holder.process}`;
  const place = holder === undefined || holder.host === hostname() ? '' : ` on ${holder.host}`;
  return new DataError({
    subject,
    expected: 'one program at a time that writes it',
    received: `${who}${place} at work`,
    remedy: `wait for it, stop it, or choose another place (if no such process runs, delete ${path})`,
  });
}
