import { describe, expect, it } from 'vitest';
import { Command } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { runUnits } from './run-units.js';
import { addRunnerOptions, chooseRunner, unitResources, type RunnerFlags } from './options.js';
import { tinyPlan, TINY_PROGRAM, withPlan } from './testing/tiny-plan.js';

function parse(...args: string[]): RunnerFlags {
  const command = addRunnerOptions(new Command('test').exitOverride().configureOutput({ writeErr: () => undefined }));
  return command.parse(args, { from: 'user' }).opts();
}

describe('options of runners', () => {
  it('are read', () => {
    expect(parse()).toEqual({ on: 'local' });
    const given = ['--on', 'ray://head:8265', '--unit-cores', '2', '--unit-memory', '1.5', '--unit-gpus', '0.5'];
    expect(parse(...given)).toEqual({ on: 'ray://head:8265', unitCores: 2, unitMemory: 1.5, unitGpus: 0.5 });
    expect(() => parse('--on', 'slrum')).toThrow('"slrum" is unknown; did you mean "slurm"?');
    expect(() => parse('--unit-cores', '0')).toThrow('expected a number from 0.01');
  });

  it('say what a unit takes', () => {
    const defaults = { cores: 1, gpus: 0, memoryBytes: 5 };
    expect(unitResources({}, defaults)).toEqual(defaults);
    expect(unitResources({ unitCores: 4, unitMemory: 1.5, unitGpus: 1 }, defaults)).toEqual({
      ...{ cores: 4, gpus: 1, memoryBytes: 1_610_612_736 },
    });
  });

  it('choose a runner, and refuse options of another one', async () => {
    for (const on of ['local', 'ray://head', 'rays://head', 'slurm', 'plan']) {
      expect((await chooseRunner({ on })).name).toBe(on);
    }
    await expect(chooseRunner({ on: 'local', unitCommand: 'node x' })).rejects.toThrow('no --unit-command');
    await expect(chooseRunner({ on: 'ray://head', slurmOptions: '-A x' })).rejects.toThrow('no --slurm-options');
    await expect(chooseRunner({ on: 'moon' })).rejects.toThrow(ConfigurationError);
  });
});

describe('runner plan', () => {
  it('says what to run, and leaves it to others', () =>
    withPlan(tinyPlan(['ok', 'ok', 'ok']), async (published) => {
      await published.storage.write('units/1.json', 'was there');
      const said: string[] = [];
      const runner = await chooseRunner(
        { on: 'plan', unitCommand: 'node /drf/unit.js' },
        (text) => void said.push(text),
      );
      expect(await runUnits({ plan: published, runner, program: TINY_PROGRAM })).toEqual([]);
      expect(said).toEqual([
        `Plan of 3 units, 2 of them to do: ${published.location}`,
        `One unit: node /drf/unit.js ${published.location} INDEX`,
        'INDEX: 0,2',
        'When units are done, the same command collects their results, with any runner.',
      ]);
    }));
});
