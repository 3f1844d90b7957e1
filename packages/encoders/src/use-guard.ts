import { ConfigurationError } from '@drf/tensor';

/** Refuses work after disposal, and lets disposal be repeated. */
export class UseGuard {
  private disposed = false;

  constructor(private readonly subject: string) {}

  /** @throws ConfigurationError after {@link UseGuard.dispose}. */
  assertUsable(): void {
    if (!this.disposed) return;
    throw new ConfigurationError({
      subject: this.subject,
      expected: 'to be used before it is disposed',
      received: 'a call after dispose()',
      remedy: 'open the encoder again',
    });
  }

  /** Returns true the first time. */
  dispose(): boolean {
    const first = !this.disposed;
    this.disposed = true;
    return first;
  }
}
