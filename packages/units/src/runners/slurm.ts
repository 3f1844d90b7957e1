import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { refuser, UnavailableError } from '@drf/tensor';
import { lastLines, runCommand, type CommandResult } from '@drf/terminal';
import { dueRanges, quote, splitWords, unitCommand, unitOptions } from '../command.js';
import { UNIT_EXIT, type Runner, type RunnerJob, type Unit, type UnitFailure } from '../contract.js';
import { byStage } from '../plan.js';
import { threadVariables } from '../resources.js';
import { findOutputs } from '../run-units.js';

/** Tries of a unit that asks for another one, and of one whose process or machine dies. */
const AGAIN_TRIES = 3;
const LOST_TRIES = 5;
const POLL_MS = 10_000;
/** How long the controller may be silent. */
const OUTAGE_MS = 5 * 60_000;
/** Of an array's list of indices. */
const MOST_RANGES = 60_000;
const MEBIBYTE = 2 ** 20;

export interface SlurmRunnerOptions {
  /** Where the program of units lies on the machines: `node /opt/drf/unit.js`; default: as here. */
  readonly unitCommand?: string | undefined;
  /** Further options of sbatch: `--partition=long --time=8:00:00`. */
  readonly slurmOptions?: string | undefined;
  /** Tells a person what happens to jobs. */
  readonly say?: (line: string) => void;
  readonly pollMs?: number;
}

/** Does units as tasks of Slurm's arrays, an array for each stage. */
export function slurmRunner(options: SlurmRunnerOptions = {}): Runner {
  return { name: 'slurm', run: (job) => new SlurmRun(job, options).run() };
}

/** A task that waits or works. */
interface Task {
  readonly array: string;
  readonly isRunning: boolean;
  readonly where: string;
}

class SlurmRun {
  private readonly name: string;
  /** Of what tasks print. */
  private readonly logs: string;
  private readonly say: (line: string) => void;
  /** Arrays, each with the unit of its task 0. */
  private readonly arrays = new Map<string, number>();
  private readonly lastTask = new Map<number, Task>();

  constructor(
    private readonly job: RunnerJob,
    private readonly options: SlurmRunnerOptions,
  ) {
    const { hash, storage } = job.plan;
    this.name = `drf-${hash.slice(0, 16)}`;
    const { folder } = storage;
    this.logs = folder === null ? join(process.cwd(), `${this.name}.slurm`) : join(folder, 'plans', `${hash}.slurm`);
    this.say = options.say ?? (() => undefined);
  }

  async run(): Promise<readonly UnitFailure[]> {
    const { signal } = this.job;
    const queued = await this.queue();
    if (queued.size > 0) this.say(`Joined ${queued.size} units that an earlier command left in Slurm's queue.`);
    try {
      await this.submit(queued);
      return await this.watch();
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    } finally {
      if (signal?.aborted === true) await this.cancel();
    }
    return [];
  }

  /** Submits what is not in the queue: an array for each stage, or more where Slurm allows only smaller ones. */
  private async submit(queued: ReadonlyMap<number, Task>): Promise<void> {
    const { plan, due, lanes } = this.job;
    const most = await this.mostTasks();
    await mkdir(this.logs, { recursive: true });
    const script = await this.script();
    const isDue = new Set(due);
    try {
      let former: string[] = [];
      for (const stage of byStage(plan, due)) {
        const ids = new Set(stage.flatMap((index) => queued.get(index)?.array ?? []));
        for (const chunk of chunks(
          stage.filter((index) => !queued.has(index)),
          most,
        )) {
          this.job.signal?.throwIfAborted();
          const base = chunk[0] as number;
          const ranges = dueRanges([chunk], (index) => !isDue.has(index), MOST_RANGES, base);
          // where units at a time are limited, arrays of one stage follow each other
          const after = lanes === undefined ? former : [...former, ...ids];
          const id = await this.sbatch(script.path, ranges, base, after);
          ids.add(id);
          this.arrays.set(id, base);
          this.say(`Submitted array ${id} of ${chunk.length} units.`);
        }
        former = [...ids];
      }
    } finally {
      await script.remove();
    }
  }

  private async sbatch(script: string, ranges: string, base: number, after: readonly string[]): Promise<string> {
    const { plan, lanes } = this.job;
    const { cores, gpus, memoryBytes } = plan.resources;
    const args = [
      ...['--parsable', '--requeue', '--open-mode=append', `--job-name=${this.name}`, `--comment=${base}`],
      `--array=${ranges}${lanes === undefined ? '' : `%${lanes}`}`,
      `--cpus-per-task=${Math.ceil(cores)}`,
      ...(memoryBytes > 0 ? [`--mem=${Math.ceil(memoryBytes / MEBIBYTE)}M`] : []),
      ...(gpus > 0 ? [`--gres=gpu:${Math.ceil(gpus)}`] : []),
      `--output=${join(this.logs, '%A_%a.log')}`,
      ...(after.length > 0 ? [`--dependency=afterany:${after.join(':')}`] : []),
      ...splitWords(this.options.slurmOptions ?? ''),
      ...[script, String(base)],
    ];
    const { stdout } = await this.command('sbatch', args);
    const id = /^(\d+)/.exec(stdout.trim())?.[1];
    if (id !== undefined) return id;
    throw refuser(UnavailableError, 'sbatch')('to print the number of a job', JSON.stringify(stdout.slice(0, 200)));
  }

  /** The script of all tasks; Slurm copies it. It lies beside the plan where that is a folder. */
  private async script(): Promise<{ readonly path: string; remove(): Promise<void> }> {
    const { plan, program } = this.job;
    const options = unitOptions().map(quote).join(' ');
    const command = `${unitCommand(program, this.options.unitCommand)} ${quote(plan.location)} "$unit" ${options}`;
    const text = taskScript(command.trimEnd(), Math.max(1, Math.floor(plan.resources.cores)));
    const { folder } = plan.storage;
    if (folder !== null) {
      await plan.storage.write(`plans/${plan.hash}.sbatch`, text);
      return { path: join(folder, 'plans', `${plan.hash}.sbatch`), remove: () => Promise.resolve() };
    }
    const temporary = await mkdtemp(join(tmpdir(), 'drf-slurm-'));
    const path = join(temporary, `${plan.hash}.sbatch`);
    await writeFile(path, text);
    return { path, remove: () => rm(temporary, { recursive: true, force: true }) };
  }

  /** How many tasks an array may have; the same number bounds their indices. */
  private async mostTasks(): Promise<number> {
    const { stdout } = await this.command('scontrol', ['show', 'config']);
    return Math.max(1, Number(/^MaxArraySize\s*=\s*(\d+)/m.exec(stdout)?.[1] ?? 1001));
  }

  /** Units of this plan in the queue, also those that an earlier command submitted. */
  private async queue(): Promise<ReadonlyMap<number, Task>> {
    const format = ['--noheader', '--format=%F|%K|%T|%k|%N'];
    const { stdout } = await this.command('squeue', ['--me', `--name=${this.name}`, ...format], {
      SLURM_BITSTR_LEN: '0',
    });
    const tasks = new Map<number, Task>();
    for (const line of stdout.split('\n')) {
      const [array, indices, state, comment, where = ''] = line.trim().split('|');
      if (array === undefined || indices === undefined || !/^\d+$/.test(comment ?? '')) continue;
      const base = Number(comment);
      this.arrays.set(array, base);
      for (const index of indicesOf(indices)) {
        tasks.set(base + index, { array, isRunning: state === 'RUNNING' || state === 'COMPLETING', where });
      }
    }
    return tasks;
  }

  /** Waits until the queue holds no unit that is due. */
  private async watch(): Promise<UnitFailure[]> {
    const { plan, due, signal, onEvent } = this.job;
    const failures: UnitFailure[] = [];
    const waiting = new Set(due);
    let gone = new Set<number>();
    let silentSince: number | undefined;
    while (waiting.size > 0) {
      await wait(this.options.pollMs ?? POLL_MS, undefined, { signal });
      let queue: ReadonlyMap<number, Task>;
      try {
        queue = await this.queue();
        silentSince = undefined;
      } catch (error) {
        signal?.throwIfAborted();
        if (silentSince === undefined) this.say('Slurm does not answer; waiting for it.');
        silentSince ??= performance.now();
        if (performance.now() - silentSince > OUTAGE_MS) throw error;
        continue;
      }
      const ended: number[] = [];
      for (const index of waiting) {
        const task = queue.get(index);
        const before = this.lastTask.get(index);
        if (task === undefined && gone.has(index)) ended.push(index);
        if (task?.isRunning === true && before?.isRunning !== true)
          onEvent({ kind: 'started', index, where: task.where });
        if (task?.isRunning === false && before?.isRunning === true) {
          onEvent({ kind: 'again', index, reason: 'Slurm put it into the queue again' });
        }
        if (task !== undefined) this.lastTask.set(index, task);
      }
      // what is put into the queue again may be missing from one answer
      gone = new Set([...waiting].filter((index) => !queue.has(index)));
      const outputs = ended.map((index) => (plan.units[index] as Unit).output);
      const found = await findOutputs(plan.storage, outputs);
      for (const [place, index] of ended.entries()) {
        waiting.delete(index);
        const failure = found.has(outputs[place] as string) ? undefined : await this.failureOf(index);
        if (failure === undefined) onEvent({ kind: 'done', index });
        else onEvent({ kind: 'failed', index, reason: failure });
        if (failure !== undefined) failures.push({ index, reason: failure });
      }
    }
    return failures;
  }

  /** Why a task left the queue without an output; nothing where it says that it is done. */
  private async failureOf(index: number): Promise<string | undefined> {
    const silent = `its task left the queue without a word (canceled, out of time or memory?); see ${this.logs}`;
    for (const [array, base] of [...this.arrays].reverse()) {
      const text = await readFile(join(this.logs, `${array}_${index - base}.log`), 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const [, said = '', code] = /^(.*)\[exit (\d+)\]\s*$/s.exec(text) ?? [];
      if (code === undefined) return `${silent}${text.trim() === '' ? '' : `; it said: ${lastLines(text)}`}`;
      const number = Number(code);
      const [, tries = '1', last = said] = /^.*^\[try (\d+)\]$(.*)$/ms.exec(said) ?? [];
      if (number === UNIT_EXIT.done) return undefined;
      if (number === UNIT_EXIT.never) return lastLines(last, 1);
      const signal = `signal ${number - 128}${number === 137 ? ' (out of memory?)' : ''}`;
      const how = `${number > 128 ? signal : `exit code ${number}`}; it said: ${lastLines(last)}`;
      const reason = number === UNIT_EXIT.again ? lastLines(last, 1) : how;
      return tries === '1' ? reason : `${reason} (the last of ${tries} tries)`;
    }
    return silent;
  }

  private async cancel(): Promise<void> {
    if (this.arrays.size > 0) await runCommand('scancel', [...this.arrays.keys()]);
  }

  /** @throws UnavailableError when the command is missing or refuses */
  private async command(name: string, args: readonly string[], variables = {}): Promise<CommandResult> {
    const environment = { ...process.env, ...variables };
    const result = await runCommand(name, args, { environment, timeoutMilliseconds: 60_000 });
    if (result.code === 0) return result;
    if (result.missing) {
      const remedy = 'run this on a machine that submits to Slurm, such as a login node';
      throw refuser(UnavailableError, 'Slurm')(`the command ${name}`, 'none on the path', remedy);
    }
    const remedy = 'see what it says; further options of sbatch go into --slurm-options';
    throw refuser(UnavailableError, `Slurm's ${name}`)('to accept the units', lastLines(result.stderr), remedy);
  }
}

/** What each task of an array runs; its argument is the unit of task 0. */
function taskScript(command: string, threads: number): string {
  const variables = Object.entries(threadVariables(threads)).map(([name, value]) => `${name}=${value}`);
  return `#!/bin/bash
# Does one unit of a plan, as a task of an array. What a killed unit leaves is tried again; what is wrong (65) is not.
unit=$(( \${1:-0} + SLURM_ARRAY_TASK_ID ))
export ${variables.join(' ')}
echo "[try $(( \${SLURM_RESTART_COUNT:-0} + 1 ))]"
${command} < /dev/null &
trap "kill -TERM $!" TERM
wait $! 2> /dev/null
code=$?
trap - TERM
echo "[exit $code]"
tries=0
[ $code -eq 0 ] || [ $code -eq ${UNIT_EXIT.never} ] || tries=${AGAIN_TRIES}
[ $code -le 128 ] || tries=${LOST_TRIES}
if [ $(( \${SLURM_RESTART_COUNT:-0} + 1 )) -lt $tries ]; then
  scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}" && sleep 60
fi
exit $code
`;
}

/** Units in groups whose indices lie closer together than an array may reach. */
function chunks(indices: readonly number[], most: number): number[][] {
  const groups: number[][] = [];
  for (const index of indices) {
    const last = groups.at(-1);
    if (last !== undefined && index - (last[0] as number) < most) last.push(index);
    else groups.push([index]);
  }
  return groups;
}

/** Indices of a task, or of tasks that wait: "7", "3-9,12%4", "0-8:2". */
function indicesOf(text: string): number[] {
  return text
    .replaceAll(/%.*$|[[\]]/g, '')
    .split(',')
    .flatMap((part) => {
      const [, first, last = first, step = '1'] = /^(\d+)(?:-(\d+))?(?::(\d+))?$/.exec(part) ?? [];
      if (first === undefined) return [];
      const indices: number[] = [];
      for (let index = Number(first); index <= Number(last); index += Math.max(1, Number(step))) indices.push(index);
      return indices;
    });
}
