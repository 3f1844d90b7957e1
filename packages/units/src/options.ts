import { ConfigurationError, refuser } from '@drf/tensor';
import { finiteNumber, InvalidArgumentError, suggestion, type Command } from '@drf/terminal';
import type { Runner, UnitResources } from './contract.js';

/** Options of a command that does units, as {@link addRunnerOptions} reads them. */
export interface RunnerFlags {
  /** `local`, `ray://HEAD:8265`, `rays://HEAD`, `slurm` or `plan`. */
  readonly on: string;
  readonly unitCommand?: string;
  readonly unitCores?: number;
  /** In GiB. */
  readonly unitMemory?: number;
  readonly unitGpus?: number;
  readonly slurmOptions?: string;
}

const NAMES = ['local', 'ray://HEAD:8265', 'slurm', 'plan'];
const RAY = /^rays?:\/\/./;

/** Adds `--on` and what the runners that it names need; how many units at a time is the command's own `--jobs`. */
export function addRunnerOptions(command: Command): Command {
  return command
    .option(
      '--on <where>',
      'local (this machine), ray://HEAD:8265 (a Ray cluster; rays:// by HTTPS), slurm, or plan (only say what to run)',
      parseOn,
      'local',
    )
    .option('--unit-command <command>', 'the program of units on the other machines (default: as it lies on this one)')
    .option('--unit-cores <number>', 'cores that a unit takes', finiteNumber(0.01))
    .option('--unit-memory <GiB>', 'memory that a unit takes', finiteNumber(0))
    .option('--unit-gpus <number>', 'GPUs that a unit takes', finiteNumber(0))
    .option('--slurm-options <options>', 'further options of sbatch: "--partition=long --time=8:00:00"');
}

function parseOn(text: string): string {
  if (NAMES.includes(text) || RAY.test(text)) return text;
  throw new InvalidArgumentError(`"${text}" is unknown; ${suggestion(text, NAMES)}`);
}

/** What a unit takes: what flags say, else the command's own defaults. */
export function unitResources(flags: Partial<RunnerFlags>, defaults: UnitResources): UnitResources {
  const { unitCores, unitMemory, unitGpus } = flags;
  return {
    cores: unitCores ?? defaults.cores,
    gpus: unitGpus ?? defaults.gpus,
    memoryBytes: unitMemory === undefined ? defaults.memoryBytes : Math.round(unitMemory * 2 ** 30),
  };
}

/**
 * Loads the runner that `--on` names.
 * @param say tells a person what happens to jobs; default: nothing
 * @throws ConfigurationError for an unknown one, or an option that is another runner's
 */
export async function chooseRunner(flags: RunnerFlags, say?: (line: string) => void): Promise<Runner> {
  const { on, unitCommand, slurmOptions } = flags;
  const refuse = refuser(ConfigurationError, `--on ${on}`);
  if (on !== 'slurm' && slurmOptions !== undefined) {
    throw refuse('no --slurm-options', 'some', 'leave them out, or choose --on slurm');
  }
  if (on === 'local') {
    if (unitCommand !== undefined)
      throw refuse('no --unit-command', 'one', 'leave it out; this machine has the program');
    return (await import('./runners/local.js')).localRunner();
  }
  const options = { unitCommand, slurmOptions, ...(say === undefined ? {} : { say }) };
  if (RAY.test(on)) return (await import('./runners/ray.js')).rayRunner(on, options);
  if (on === 'slurm') return (await import('./runners/slurm.js')).slurmRunner(options);
  if (on === 'plan') return (await import('./runners/plan-only.js')).planRunner(options);
  throw refuse(`one of ${NAMES.join(', ')}`, 'another name');
}
