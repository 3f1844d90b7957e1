// What every experiment of the laboratory has: a folder, a clock with a table of events, programs that it starts and may kill,
// memory that it watches, and an end that takes everything down again, also after Ctrl-C.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { descendantsOf, kill, processOf } from './hosts.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const appOf = (name) => join(ROOT, 'apps', name, 'dist', 'main.js');

/** Something that an experiment found not to be as it must be. */
export class Finding extends Error {}

/** Fails the experiment unless a condition holds. @throws Finding */
export function check(condition, what) {
  if (!condition) throw new Finding(what);
}

/**
 * Runs an experiment and takes down what it started, whether it ends well, by an error or by Ctrl-C.
 * @param keep leave the folder where it is, and say where
 * @returns what the experiment returns
 */
export async function inLaboratory({ keep = false, out }, experiment) {
  const folder = out ?? mkdtempSync(join(tmpdir(), 'drf-scale-'));
  const begun = Date.now();
  const ends = [];
  let isEnding;
  const end = () =>
    (isEnding ??= (async () => {
      for (const one of ends.reverse()) await one().catch((error) => console.error(`at the end: ${error.message}`));
      if (keep || out !== undefined) console.log(`kept: ${folder}`);
      else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    })());
  const stop = (signal) => {
    console.error(`\n${signal}: taking everything down`);
    void end().then(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const laboratory = {
    folder,
    seconds: () => (Date.now() - begun) / 1000,
    /** Says what has happened, and when. */
    event(what) {
      console.log(`${laboratory.seconds().toFixed(1).padStart(7)} s  ${what}`);
    },
    onEnd: (one) => void ends.push(one),
    program: (args, options) => startProgram(args, options, ends),
  };
  try {
    return await experiment(laboratory);
  } finally {
    await end();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Starts a program of this workspace by Node, in a group of its own. */
function startProgram(args, { env = {}, nodeArgs = ['--no-warnings'] } = {}, ends) {
  const child = spawn(process.execPath, [...nodeArgs, ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const own = { pid: child.pid, out: '', error: '', isOver: false };
  child.stdout.setEncoding('utf8').on('data', (text) => void (own.out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => void (own.error = (own.error + text).slice(-200_000)));
  own.ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: error.message }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  }).then((how) => {
    own.isOver = true;
    return how;
  });
  own.kill = (signal = 'SIGKILL') => kill(-child.pid, signal);
  own.killAlone = (signal = 'SIGKILL') => kill(child.pid, signal);
  own.processes = () => [processOf(child.pid), ...descendantsOf(child.pid)].filter(Boolean);
  /** @throws Finding with its last words, where it ends otherwise than by one of these codes */
  own.done = async (codes = [0]) => {
    const { code, signal } = await own.ended;
    check(
      codes.includes(code),
      `${args[0].replace(ROOT, '')} ended with ${code ?? signal}: ${own.error.trim().slice(-3000)}`,
    );
    return own;
  };
  ends.push(async () => {
    if (own.isOver) return;
    own.kill();
    await Promise.race([own.ended, wait(5000)]);
  });
  return own;
}

/**
 * Has something measured in a process of its own, by `measured.mjs`.
 * @param args one of `works.mjs`, with its arguments
 * @returns what it prints
 */
export async function measure({ program }, args, env) {
  const { out } = await program([join(ROOT, 'lab/scale/measured.mjs'), ...args], { env }).done();
  return JSON.parse(out);
}

/** A number that an option gives. @throws Finding where it is none */
export function wholeNumber(option, given) {
  const number = Number(given);
  check(Number.isSafeInteger(number) && number > 0, `${option} is a whole number from 1, not ${given}`);
  return number;
}

/**
 * Watches the memory of processes while they come and go.
 * @param processes those of the moment, as `processOf` tells of them
 * @returns a function that ends the watch and tells the most memory of all at once (resident, looked at four times a second)
 *   and of any single process (by the kernel's own count), in bytes
 */
export function watchMemory(processes) {
  let [together, single] = [0, 0];
  const look = () => {
    const all = processes();
    together = Math.max(together, all.reduce((sum, { bytes }) => sum + bytes, 0)); // prettier-ignore
    single = Math.max(single, ...all.map(({ peakBytes }) => peakBytes));
  };
  const timer = setInterval(look, 250).unref();
  return () => {
    clearInterval(timer);
    return { together, single };
  };
}

export const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Which processes are units of work, Ray's workers, Ray's nodes. */
export const isUnit = ({ args }) => args.some((arg) => /\/unit\.js$/.test(arg)) && /node$/.test(args[0]);
export const isRayWorker = ({ args }) =>
  /^ray::(?!IDLE)/.test(args[0] ?? '') && !/^ray::(Dashboard|Job|_?StatsActor)/.test(args[0]);
export const isRaylet = ({ args }) => /\/raylet$/.test(args[0] ?? '');

/** A table as Markdown has it; all columns but the first to the right. */
export function table(headings, rows) {
  const cells = [headings, ...rows].map((row) => row.map(String));
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const pad = (cell, column) => (column > 0 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]));
  const rule = widths.map((width, column) => (column > 0 ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [cells[0].map(pad), rule, ...cells.slice(1).map((row) => row.map(pad))]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}
