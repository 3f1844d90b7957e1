import { startProgress, type Progress } from '@drf/terminal';

/** Told how far the work of one name is; another name is the next work. */
export type OnProgress = (what: string, done: number, total: number) => void;

/** Works that follow each other, each with its own progress display. */
export interface Stages {
  readonly onProgress: OnProgress;
  /** Ends the display. */
  stop(): void;
}

/** @param silent shows nothing */
export function startStages(unit: string, silent = false): Stages {
  let shown: { readonly what: string; readonly progress: Progress } | undefined;
  const stop = (): void => {
    shown?.progress.stop();
    shown = undefined;
  };
  return {
    onProgress: (what, done, total) => {
      if (shown?.what !== what) {
        stop();
        shown = { what, progress: startProgress({ label: what, total, unit, silent }) };
      }
      shown.progress.update(done);
    },
    stop,
  };
}
