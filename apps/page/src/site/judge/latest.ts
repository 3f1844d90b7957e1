import { isAbort } from './connection.js';

interface LatestOptions<Input, Output> {
  /** Milliseconds without a newer input before work begins. */
  readonly delay: number;
  readonly work: (input: Input, signal: AbortSignal) => Promise<Output>;
  readonly onStart?: () => void;
  readonly onDone: (output: Output) => void;
  readonly onFail: (error: unknown) => void;
}

/** Works on the newest input only: waits until inputs pause, gives up older work, and never reports its outcome. */
export class Latest<Input, Output> {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | undefined;

  constructor(private readonly options: LatestOptions<Input, Output>) {}

  /** @param at once: without the delay */
  submit(input: Input, atOnce = false): void {
    this.cancel();
    this.timer = setTimeout(() => void this.start(input), atOnce ? 0 : this.options.delay);
  }

  /** Gives up what waits or runs. */
  cancel(): void {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = undefined;
  }

  private async start(input: Input): Promise<void> {
    const { work, onStart, onDone, onFail } = this.options;
    const running = new AbortController();
    this.running = running;
    onStart?.();
    try {
      const output = await work(input, running.signal);
      if (!running.signal.aborted) onDone(output);
    } catch (error) {
      if (!running.signal.aborted && !isAbort(error)) onFail(error);
    }
  }
}
