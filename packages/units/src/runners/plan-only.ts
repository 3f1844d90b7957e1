import { byStage } from '../plan.js';
import type { Runner } from '../contract.js';
import { dueRanges, quote, unitCommand, unitOptions } from '../command.js';

const MOST_RANGES = 1000;

/** Leaves the units to others, and says how they are done: by a script, Kubernetes, Spark, another scheduler. */
export function planRunner(options: {
  readonly unitCommand?: string | undefined;
  readonly say?: (line: string) => void;
}): Runner {
  return {
    name: 'plan',
    onlyPlans: true,
    run: ({ plan, due, program }) => {
      const say = options.say ?? (() => undefined);
      const own = unitOptions().map(quote);
      const isDue = new Set(due);
      const stages = byStage(plan, due);
      say(`Plan of ${plan.units.length} units, ${due.length} of them to do: ${plan.location}`);
      say(`One unit: ${[unitCommand(program, options.unitCommand), quote(plan.location), 'INDEX', ...own].join(' ')}`);
      for (const [place, stage] of stages.entries()) {
        const when = stages.length === 1 ? 'INDEX' : place === 0 ? 'INDEX, first' : 'INDEX, when those are over';
        say(`${when}: ${dueRanges([stage], (index) => !isDue.has(index), MOST_RANGES)}`);
      }
      say('When units are done, the same command collects their results, with any runner.');
      return Promise.resolve([]);
    },
  };
}
