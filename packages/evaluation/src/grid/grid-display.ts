import { formatDuration, startProgress, type Progress } from '@drf/terminal';
import type { ExperimentFacts } from './messages.js';
import type { GridOutcome } from './run-grid.js';

/** What a person sees while a grid runs; it goes to standard error. */
export interface GridDisplay {
  say(message: string): void;
  /** A post that is left out. */
  warn(message: string): void;
  facts(experiment: string, facts: ExperimentFacts): void;
  plan(plan: Pick<GridOutcome, 'planned' | 'due' | 'workers' | 'estimatedSeconds'>): void;
  progress(label: string, total: number, unit: string): Progress;
}

const SHOWN_WARNINGS = 5;
const SECONDS_BETWEEN_LINES = 30;

/** Shows nothing at all when `silent`. */
export function createGridDisplay(silent: boolean): GridDisplay {
  const say = (text: string): void => void (silent || process.stderr.write(`${text}\n`));
  const warned = new Set<string>();
  return {
    say,
    warn: (message) => {
      if (warned.has(message)) return;
      warned.add(message);
      if (warned.size <= SHOWN_WARNINGS) say(`left out: ${message}`);
      if (warned.size === SHOWN_WARNINGS + 1) say('left out: further posts');
    },
    facts: (experiment, { posts, split, encoders, engine, notes }) => {
      say(`  ${posts.train} posts to train on, ${posts.val} to choose by, ${posts.evaluated} of ${split} to judge`);
      say(`  encoders ${encoders.image}, ${encoders.text}; engine ${engine}`);
      for (const note of notes) say(`  note: ${note}`);
      void experiment;
    },
    plan: ({ planned, due, workers, estimatedSeconds }) => {
      say(`Planned: ${planned.trainings} trainings, ${planned.cells} cells`);
      say(`To do:   ${due.trainings} trainings, ${due.cells} cells, from ${due.featureSets} feature sets`);
      const time = estimatedSeconds === null ? 'not known before' : `${formatDuration(estimatedSeconds)} for`;
      say(`Time:    ${time} the trainings, ${workers} side by side`);
    },
    progress: (label, total, unit) =>
      startProgress({ label, total, unit, silent, lineInterval: SECONDS_BETWEEN_LINES }),
  };
}
