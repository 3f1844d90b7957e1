import {
  ConfigurationError,
  flattenTree,
  PRODUCT_TYPES,
  type ProductType,
  ShapeMismatchError,
  type Tree,
} from '@drf/tensor';

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

/** Calls that have not ended yet. */
export class UnderWay {
  private readonly calls = new Set<Promise<unknown>>();

  /** Awaits a call, and nothing else does, so that its errors tell who called. */
  async track<Value>(call: Promise<Value>): Promise<Value> {
    this.calls.add(call);
    try {
      return await call;
    } finally {
      this.calls.delete(call);
    }
  }

  /** Once they all have ended, however they did. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.calls);
  }
}

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

interface Described {
  readonly shape: readonly number[];
  readonly dtype: string;
}

function describe(leaf: Described | undefined): string {
  return leaf === undefined ? 'nothing' : `${leaf.dtype} [${leaf.shape.join(', ')}]`;
}

/**
 * Checks that a new state has the leaves of the old one, each with its shape and dtype.
 * @throws ShapeMismatchError naming the first leaf that differs.
 */
export function assertSameLeaves(subject: string, expected: Tree<Described>, received: Tree<Described>): void {
  const before = flattenTree(expected);
  const after = flattenTree(received);
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const want = describe(before.get(name));
    const got = describe(after.get(name));
    if (want !== got) {
      throw new ShapeMismatchError({
        subject: `${subject}, leaf "${name}",`,
        expected: want,
        received: got,
        remedy: 'return a state with the names, shapes and dtypes of the one passed in',
      });
    }
  }
}

/** A state has no leaf of that name. */
export function noLeaf(flatName: string, names: readonly string[]): ConfigurationError {
  return new ConfigurationError({
    subject: 'StepProgram.readLeaf',
    expected: `one of the state's ${names.length} leaves (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`,
    received: `"${flatName}"`,
  });
}

/**
 * Whole numbers of eight bits are for ONNX Runtime on the CPU, whose products of them are exact on every processor.
 * @throws ConfigurationError for another engine, and for products of another name
 */
export function assertProducts(engineName: string, products: ProductType = 'float32'): void {
  if (products === 'float32' || (products === 'int8' && engineName === 'compiled')) return;
  throw new ConfigurationError({
    subject: `engine "${engineName}", products,`,
    expected: engineName === 'compiled' ? PRODUCT_TYPES.map((name) => `"${name}"`).join(' or ') : '"float32"',
    received: JSON.stringify(products),
    remedy: 'products in int8 are for the engine "compiled": --engine compiled',
  });
}
