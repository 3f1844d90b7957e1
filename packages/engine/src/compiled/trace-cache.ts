import type { FusedPlan } from '../fused/plan.js';
import type { TracedFunction } from '../trace/trace.js';
import type { NamedTensor, Session, SessionHost } from './session-host.js';

/** A function traced for inputs of certain shapes, with its session once that exists. */
export interface Compiled {
  readonly traced: TracedFunction;
  readonly traceMilliseconds: number;
  readonly session: Promise<Session>;
}

/** A traced function, and the loops that were taken off it. */
export interface Recorded {
  readonly traced: TracedFunction;
  readonly plan?: FusedPlan | undefined;
}

/** Sessions that a program keeps; beyond that, the one that was used longest ago is released. */
const MOST_SESSIONS = 16;

/** What a trace depends on: the names, types and shapes of the inputs. */
export function structureOf(inputs: readonly Pick<NamedTensor, 'name' | 'dtype' | 'shape'>[]): string {
  return inputs.map(({ name, dtype, shape }) => `${name}:${dtype}[${shape.join()}]`).join(' ');
}

/** One trace and one session for each structure of inputs. */
export class TraceCache {
  private readonly compiled = new Map<string, Compiled>();

  constructor(private readonly host: SessionHost) {}

  /** The compiled function for a structure; `trace` runs when it is met for the first time. */
  async get(structure: string, trace: () => Recorded, outputPrefix: string): Promise<Compiled> {
    const known = this.compiled.get(structure) ?? this.make(structure, trace, outputPrefix);
    this.compiled.delete(structure);
    this.compiled.set(structure, known); // the last one used comes last
    await this.releaseOldest();
    return known;
  }

  /** The latest one used. */
  latest(): Compiled | undefined {
    return [...this.compiled.values()].at(-1);
  }

  async dispose(): Promise<void> {
    const all = [...this.compiled.values()];
    this.compiled.clear();
    await Promise.all(all.map((each) => this.release(each)));
  }

  private make(structure: string, trace: () => Recorded, outputPrefix: string): Compiled {
    const started = performance.now();
    const { traced, plan } = trace();
    const traceMilliseconds = performance.now() - started;
    const outputs = [...traced.outputs.keys()].filter((name) => name.startsWith(outputPrefix));
    const session = this.host.create(traced, outputs, plan);
    session.catch(() => this.compiled.delete(structure)); // tried again next time; the caller sees this error
    return { traced, traceMilliseconds, session };
  }

  private async releaseOldest(): Promise<void> {
    const [oldest] = this.compiled;
    if (this.compiled.size <= MOST_SESSIONS || oldest === undefined) return;
    this.compiled.delete(oldest[0]);
    await this.release(oldest[1]);
  }

  private async release({ session }: Compiled): Promise<void> {
    const created = await session.catch(() => undefined);
    if (created !== undefined) await this.host.release(created);
  }
}
