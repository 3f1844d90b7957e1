import { ConfigurationError } from '@drf/tensor';

/** Lets one call at a time through, and none after disposal. */
export class Turns {
  private busy = false;
  private disposed = false;

  constructor(private readonly subject: string) {}

  /** @throws ConfigurationError when a call is still under way or the program was disposed. */
  async take<T>(call: () => Promise<T>): Promise<T> {
    this.assertUsable();
    if (this.busy) {
      throw new ConfigurationError({
        subject: this.subject,
        expected: 'one call at a time',
        received: 'a call while another is under way',
        remedy: 'await the previous call first',
      });
    }
    this.busy = true;
    try {
      return await call();
    } finally {
      this.busy = false;
    }
  }

  /** @throws ConfigurationError after disposal. */
  assertUsable(): void {
    if (!this.disposed) return;
    throw new ConfigurationError({
      subject: this.subject,
      expected: 'to be called before it is disposed',
      received: 'a call after dispose()',
      remedy: 'prepare the function again',
    });
  }

  /** Returns true the first time. */
  dispose(): boolean {
    const first = !this.disposed;
    this.disposed = true;
    return first;
  }
}
