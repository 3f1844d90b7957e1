import { ConfigurationError } from '@drf/tensor';

interface Disposable {
  dispose(): Promise<void>;
}

/** The programs that an engine made, so that disposing the engine disposes them all. */
export class ProgramList {
  private readonly programs = new Set<Disposable>();
  private disposed = false;

  constructor(private readonly engineName: string) {}

  /** @throws ConfigurationError after the engine's disposal. */
  add<P extends Disposable>(make: () => P): P {
    if (this.disposed) {
      throw new ConfigurationError({
        subject: `engine "${this.engineName}"`,
        expected: 'to be used before it is disposed',
        received: 'a call after dispose()',
        remedy: 'create another engine',
      });
    }
    const program = make();
    this.programs.add(program);
    return program;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    await Promise.all([...this.programs].map((program) => program.dispose()));
    this.programs.clear();
  }
}
