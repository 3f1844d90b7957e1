import type { LedgerReport, SplitName } from '@drf/datasets';
import type { Display as EvaluationDisplay } from '@drf/evaluation';
import type { Job } from '@drf/terminal';

/** How far a stage of some work is. Comes at most ten times a second, with each cell, and at the stage's end. */
export interface StageEvent {
  readonly kind: 'stage';
  /** What is being done: "Training", "Reading the data set", … */
  readonly stage: string;
  readonly done: number;
  /** null while nobody knows. */
  readonly total: number | null;
  /** What is counted: "steps", "posts", "cells". */
  readonly unit: string;
  /** Until the stage's end, by its rate so far; null while there is none. */
  readonly secondsLeft: number | null;
}

/** Something that a person should know; the work goes on. */
export interface WarningEvent {
  readonly kind: 'warning';
  readonly message: string;
}

/** The posts are read: which are used, and why not the others. Comes again where images turn out not to decode. */
export interface DataEvent {
  readonly kind: 'data';
  readonly classes: readonly string[];
  /** Every row, kept or dropped and why. */
  readonly ledger: LedgerReport;
  /** Posts of each split. */
  readonly splits: Readonly<Record<SplitName, number>>;
  /** What a person should know of how they were split. */
  readonly notes: readonly string[];
}

/** An epoch has ended. */
export interface EpochEvent {
  readonly kind: 'epoch';
  /** Epochs done, from 1. */
  readonly epoch: number;
  /** Mean training loss of its steps, and of its parts by name. */
  readonly loss: number;
  readonly losses: Readonly<Record<string, number>>;
  /** Of the validation posts; null without any. Shares from 0 to 1. */
  readonly validation: {
    readonly posts: number;
    readonly accuracy: number;
    readonly weightedF1: number;
    readonly macroF1: number;
  } | null;
  /** Whether it is the result so far. */
  readonly isBest: boolean;
}

/** What training says as it goes. */
export type TrainEvent = StageEvent | WarningEvent | DataEvent | EpochEvent;
/** What evaluation and export say as they go. */
export type WorkEvent = StageEvent | WarningEvent;

/** Told of events; left out: nobody is. */
export type Tell<Event> = ((event: Event) => void) | undefined;

const MILLISECONDS_BETWEEN = 100;

/** Turns counts of a stage into events; its rate is measured from the first count on. A total may be infinite. */
export function startStage(tell: Tell<StageEvent>, stage: string, unit: string, pause = MILLISECONDS_BETWEEN): Job {
  let first: { readonly done: number; readonly at: number } | undefined;
  let saidAt = -Infinity;
  return {
    update(done, total) {
      const now = performance.now();
      first ??= { done, at: now };
      if (done < total && now - saidAt < pause) return;
      saidAt = now;
      const rate = (done - first.done) / ((now - first.at) / 1000);
      const known = Number.isFinite(total) ? total : null;
      const secondsLeft = known === null || !(rate > 0) ? null : (known - done) / rate;
      tell?.({ kind: 'stage', stage, done, total: known, unit, secondsLeft });
    },
    stop: () => undefined,
  };
}

/** What evaluation shows to people, as events. */
export function evaluationEvents(tell: Tell<WorkEvent>): EvaluationDisplay {
  return {
    say: () => undefined,
    warn: (message) => tell?.({ kind: 'warning', message }),
    job: (stage, unit) => startStage(tell, stage, unit),
    cells: (stage, total) => {
      const cells = startStage(tell, stage, 'cells', 0);
      let cell = '';
      return {
        start: (done, name) => {
          cell = name;
          cells.update(done, total);
        },
        job: (what) => startStage(tell, `${cell}: ${what.toLowerCase()}`, 'posts'),
        stop: () => undefined,
      };
    },
  };
}
