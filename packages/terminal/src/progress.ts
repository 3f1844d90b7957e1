import { Presets, SingleBar } from 'cli-progress';
import { cursorStream, printable } from './printable.js';

/** Shows how far a job is, how fast it goes, and how long it will take. */
export interface Progress {
  /**
   * Moves the display on.
   * @param done items finished so far
   * @param note short text beside the bar, such as losses
   */
  update(done: number, note?: string): void;
  /** Ends the display; what was drawn last stays. */
  stop(): void;
}

/** What is counted, and where it is drawn. */
export interface ProgressOptions {
  readonly label: string;
  readonly total: number;
  /** What is counted ("posts", "steps"). */
  readonly unit: string;
  /** Items that were done before the display started; they do not count in the rate. */
  readonly initial?: number;
  /** Where it is drawn; a bar on a terminal, plain lines elsewhere. Default standard error. */
  readonly stream?: NodeJS.WriteStream;
  /** Nothing at all is drawn when true (`--json`, `--quiet`). */
  readonly silent?: boolean;
  /** Seconds between plain lines. */
  readonly lineInterval?: number;
}

/** Seconds as "1 h 02 min", "3 min 20 s" or "8 s". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${whole} s`;
}

/** Starts a progress display: nothing appears for jobs that end within a second. */
export function startProgress(options: ProgressOptions): Progress {
  if (options.silent === true || options.total <= 0) return { update: () => undefined, stop: () => undefined };
  const stream = options.stream ?? process.stderr;
  return stream.isTTY ? new BarProgress(options, cursorStream(stream)) : new LineProgress(options, stream);
}

/** A display of a job whose total becomes known with the first update. */
export interface Job {
  readonly update: (done: number, total: number) => void;
  readonly stop: () => void;
}

/** Starts the display of a job when its first update comes. */
export function startJob(options: Omit<ProgressOptions, 'total'>): Job {
  let progress: Progress | undefined;
  return {
    update: (done, total) => {
      progress ??= startProgress({ ...options, total });
      progress.update(done);
    },
    stop: () => progress?.stop(),
  };
}

const SHOWN_WARNINGS = 5;

/** Says of the first few items that they are left out. @param rest said once of all others */
export function leftOut(say: (line: string) => void, rest: string): (message: string) => void {
  let warnings = 0;
  return (message) => {
    warnings++;
    if (warnings <= SHOWN_WARNINGS) say(`left out: ${message}`);
    if (warnings === SHOWN_WARNINGS + 1) say(`left out: ${rest}`);
  };
}

function describe(options: ProgressOptions, done: number, startedAt: number): { rate: string; left: string } {
  const seconds = (performance.now() - startedAt) / 1000;
  const perSecond = (done - (options.initial ?? 0)) / Math.max(seconds, 1e-6);
  return {
    rate: `${perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(2)} ${options.unit}/s`,
    left: perSecond <= 0 ? '?' : formatDuration((options.total - done) / perSecond),
  };
}

function oneLine(note: string): string {
  return printable(note, { layout: false });
}

class BarProgress implements Progress {
  private readonly startedAt = performance.now();
  private bar: SingleBar | undefined;

  constructor(
    private readonly options: ProgressOptions,
    private readonly stream: NodeJS.WriteStream,
  ) {}

  update(done: number, note = ''): void {
    if (this.bar === undefined) {
      if (performance.now() - this.startedAt < 1000) return;
      const label = oneLine(this.options.label);
      const format = `${label} {bar} {value}/{total} ${this.options.unit} | {rate} | {left} left {note}`;
      this.bar = new SingleBar(
        { format, stream: this.stream, hideCursor: true, fps: 5, barsize: 24 },
        Presets.shades_classic,
      );
      this.bar.start(this.options.total, done, { rate: '', left: '?', note: oneLine(note) });
    }
    this.bar.update(done, { ...describe(this.options, done, this.startedAt), note: oneLine(note) });
  }

  stop(): void {
    this.bar?.stop();
  }
}

class LineProgress implements Progress {
  private readonly startedAt = performance.now();
  private lastLineAt = performance.now() - 1e9;

  constructor(
    private readonly options: ProgressOptions,
    private readonly stream: NodeJS.WriteStream,
  ) {}

  update(done: number, note = ''): void {
    const now = performance.now();
    const interval = 1000 * (this.options.lineInterval ?? 10);
    if (now - this.startedAt < 2000 || now - this.lastLineAt < interval) return;
    this.lastLineAt = now;
    const { rate, left } = describe(this.options, done, this.startedAt);
    const { label, total, unit } = this.options;
    this.stream.write(`${label}: ${done}/${total} ${unit}, ${rate}, ${left} left${note === '' ? '' : ` ${note}`}\n`);
  }

  stop(): void {}
}
