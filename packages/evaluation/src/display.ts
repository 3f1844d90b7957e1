import { leftOut, startJob, startProgress, type Job, type Progress } from '@drf/terminal';

/** How far an evaluation is, in cells, with what it is at. */
export interface CellProgress {
  /** @param index cells done */
  start(index: number, name: string): void;
  /** A job within the cell. */
  job(label: string): Job;
  stop(): void;
}

/** What a person sees while evaluating. It goes to standard error; results go to standard output. */
export interface Display {
  say(message: string): void;
  /** A post that is left out. */
  warn(message: string): void;
  job(label: string, unit: string): Job;
  cells(label: string, total: number): CellProgress;
}

/** Shows progress and warnings; nothing at all when `silent`. */
export function createDisplay(silent: boolean): Display {
  const say = (text: string): void => void (silent || process.stderr.write(`${text}\n`));
  return {
    say,
    warn: leftOut(say, 'further posts; the results list them all'),
    job: (label, unit) => startJob({ label, unit, silent }),
    cells: (label, total) => cellProgress(startProgress({ label, total, unit: 'cells', silent })),
  };
}

/** One bar for all cells; what goes on inside a cell is its note, so that bars never overlap. */
function cellProgress(progress: Progress): CellProgress {
  let [done, cell] = [0, ''];
  return {
    start: (index, name) => {
      [done, cell] = [index, name];
      progress.update(done, `(${cell})`);
    },
    job: (label) => ({
      update: (items, total) => progress.update(done, `(${cell}: ${label.toLowerCase()} ${items}/${total})`),
      stop: () => undefined,
    }),
    stop: () => progress.stop(),
  };
}

/** Shows nothing. */
export const SILENT: Display = createDisplay(true);

/** Told how far the work of one name is; another name is the next work. */
export type OnProgress = (what: string, done: number, total: number) => void;

/** Works that follow each other, each with its own progress display. */
interface Stages {
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
