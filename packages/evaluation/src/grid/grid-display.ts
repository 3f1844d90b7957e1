import { formatDuration, startProgress, type Progress } from '@drf/terminal';
import type { UnitEvent } from '@drf/units';
import type { ExperimentFacts } from './tasks.js';

export interface Counts {
  readonly trainings: number;
  readonly cells: number;
}

/** What is to be done. */
export interface GridPlan {
  readonly store: string;
  /** Trainings and cells of the whole plan. */
  readonly planned: Counts;
  /** Of these, what the store lacked at the start. */
  readonly due: Counts & { readonly featureSets: number };
  /** Units at a time; null: as many as the engine has room for. */
  readonly workers: number | null;
  /** Of what is due, from the mean time of like trainings in the store; null without any. */
  readonly estimatedSeconds: number | null;
}

/** What a person sees while a grid runs; it goes to standard error. */
export interface GridDisplay {
  say(message: string): void;
  /** A post that is left out. */
  warn(message: string): void;
  facts(facts: ExperimentFacts): void;
  plan(plan: GridPlan): void;
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
    facts: ({ posts, split, encoders, engine, notes }) => {
      say(`  ${posts.train} posts to train on, ${posts.val} to choose by, ${posts.evaluated} of ${split} to judge`);
      say(`  encoders ${encoders.image}, ${encoders.text}; engine ${engine}`);
      for (const note of notes) say(`  note: ${note}`);
    },
    plan: ({ planned, due, workers, estimatedSeconds }) => {
      say(`Planned: ${planned.trainings} trainings, ${planned.cells} cells`);
      say(`To do:   ${due.trainings} trainings, ${due.cells} cells, from ${due.featureSets} feature sets`);
      const time = estimatedSeconds === null ? 'not known before' : `${formatDuration(estimatedSeconds)} for`;
      say(`Time:    ${time} the trainings, ${workers ?? 'as many as fit'} side by side`);
    },
    progress: (label, total, unit) =>
      startProgress({ label, total, unit, silent, lineInterval: SECONDS_BETWEEN_LINES }),
  };
}

/** A unit that is shown: one that encodes counts its sets of features, a training its steps. */
export type ShownUnit = { readonly label: string } & ({ readonly sets: number } | { readonly steps: number });

/** How far units are: feature sets first, then the steps of trainings. */
export class UnitsProgress {
  private readonly counts = { sets: 0, trainings: 0, steps: 0, failed: 0 };
  private readonly totals: { readonly sets: number; readonly trainings: number; readonly steps: number };
  private readonly running = new Map<number, number>();
  private readonly startedAt = new Map<number, number>();
  private shown: { readonly of: 'sets' | 'steps'; readonly progress: Progress } | undefined;
  private seconds = 0;

  /** @param units what is due, by index in the plan */
  constructor(
    private readonly units: ReadonlyMap<number, ShownUnit>,
    private readonly display: Pick<GridDisplay, 'say' | 'progress'>,
  ) {
    const totals = { sets: 0, trainings: 0, steps: 0 };
    for (const unit of units.values()) {
      if ('sets' in unit) totals.sets += unit.sets;
      else {
        totals.trainings++;
        totals.steps += unit.steps;
      }
    }
    this.totals = totals;
    this.show();
  }

  /** Mean wall time of the trainings that were seen to begin and end; null without any. */
  get secondsATraining(): number | null {
    return this.counts.trainings === 0 || this.seconds === 0 ? null : this.seconds / this.counts.trainings;
  }

  /** What an engine says of a unit. */
  take(event: UnitEvent): void {
    const unit = this.units.get(event.index);
    if (unit === undefined) return;
    const { index } = event;
    switch (event.kind) {
      case 'started':
        this.startedAt.set(index, performance.now());
        return;
      case 'progress': {
        const { what, done, total } = event.progress;
        if ('sets' in unit) return this.show(`(${what} ${done}/${total})`);
        if (what === 'training') this.running.set(index, done);
        return this.show();
      }
      case 'again':
        this.running.delete(index);
        this.display.say(`again: ${unit.label}: ${event.reason}`);
        return;
      case 'failed':
        this.counts.failed++;
        this.display.say(`failed: ${unit.label}: ${event.reason}`);
        return this.finish(index, unit);
      case 'done':
        return; // what counts is its output
    }
  }

  /** A unit's output was taken in. */
  done(index: number): void {
    const unit = this.units.get(index);
    if (unit === undefined) return;
    const startedAt = this.startedAt.get(index);
    if ('steps' in unit) {
      this.counts.trainings++;
      if (startedAt !== undefined) this.seconds += (performance.now() - startedAt) / 1000;
    }
    this.finish(index, unit);
  }

  stop(): void {
    this.shown?.progress.stop();
    this.shown = undefined;
  }

  private finish(index: number, unit: ShownUnit): void {
    this.running.delete(index);
    if ('sets' in unit) this.counts.sets += unit.sets;
    else this.counts.steps += unit.steps;
    this.show();
  }

  private show(detail?: string): void {
    const { counts, totals, running } = this;
    const of = counts.sets < totals.sets ? 'sets' : 'steps';
    if (this.shown?.of !== of) {
      this.stop();
      const [label, unit] = of === 'sets' ? ['Features', 'sets'] : ['Trainings', 'steps'];
      this.shown = { of, progress: this.display.progress(label, totals[of], unit) };
    }
    const now = of === 'sets' ? 0 : [...running.values()].reduce((sum, count) => sum + count, 0);
    const failures = counts.failed === 0 ? '' : `, ${counts.failed} failed`;
    const trainings = `(${counts.trainings}/${totals.trainings} trainings${failures})`;
    this.shown.progress.update(counts[of] + now, detail ?? (of === 'sets' ? undefined : trainings));
  }
}
