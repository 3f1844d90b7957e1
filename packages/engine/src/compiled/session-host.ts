import { flattenTree, unflattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { writeModel } from '../onnx/write.js';
import type { FusedPlan } from '../fused/plan.js';
import { assertProvider, sessionOptions, type CompileOptions } from '../session/options.js';
import { WorkerClient } from '../session/worker-client.js';
import type { TracedFunction } from '../trace/trace.js';

/** A tensor on its way to or from the worker. */
export type NamedTensor = HostTensor & { readonly name: string };

/** A session in the worker: its number and what it returns. */
export interface Session {
  readonly number: number;
  readonly outputs: readonly string[];
  readonly milliseconds: number;
}

/** Leaves of a host tree for the worker, each name with a prefix. */
export function toNamed(tree: HostTree, prefix: string): NamedTensor[] {
  return [...flattenTree<HostTensor>(tree)].map(([name, { shape, dtype, data }]) => {
    return { name: prefix + name, shape, dtype, data };
  });
}

/** The inverse of {@link toNamed}. */
export function fromNamed(tensors: readonly NamedTensor[], prefix: string): HostTree {
  return unflattenTree(
    tensors.map(({ name, shape, dtype, data }) => [name.slice(prefix.length), { shape, dtype, data }] as const),
  ) as HostTree;
}

/** Sessions and states of one worker thread, which starts with the first of them. */
export class SessionHost {
  private client: WorkerClient | undefined;
  private nextNumber = 0;

  constructor(private readonly options: CompileOptions) {
    assertProvider(options.provider ?? 'cpu');
  }

  /** @param plan what finishes a step after the session */
  async create(traced: TracedFunction, outputs: readonly string[], plan?: FusedPlan): Promise<Session> {
    const number = this.nextNumber++;
    const model = writeModel(traced);
    const started = performance.now();
    const request = { kind: 'create', session: number, model, plan, options: sessionOptions(this.options) };
    await this.worker().ask(request, [model.buffer as ArrayBuffer]);
    return { number, outputs, milliseconds: performance.now() - started };
  }

  run(session: Session, inputs: readonly NamedTensor[]): Promise<NamedTensor[]> {
    return this.worker().ask({ kind: 'run', session: session.number, inputs, outputs: session.outputs });
  }

  step(session: Session, state: number, inputs: readonly NamedTensor[]): Promise<NamedTensor[]> {
    return this.worker().ask({ kind: 'step', session: session.number, state, inputs, outputs: session.outputs });
  }

  release(session: Session): Promise<void> {
    return this.worker().ask({ kind: 'release', session: session.number });
  }

  newState(): number {
    return this.nextNumber++;
  }

  /** @param smallest size from which on floats lie where loops can overwrite them */
  writeState(state: number, tensors: readonly NamedTensor[], smallest: number): Promise<void> {
    return this.worker().ask({ kind: 'write-state', state, tensors, smallest });
  }

  readState(state: number): Promise<NamedTensor[]> {
    return this.worker().ask({ kind: 'read-state', state });
  }

  dropState(state: number): Promise<void> {
    return this.worker().ask({ kind: 'drop-state', state });
  }

  /** Makes ONNX Runtime write the profile that {@link CompileOptions.profilePrefix} asked for. */
  endProfile(session: Session): Promise<void> {
    return this.worker().ask({ kind: 'profile', session: session.number });
  }

  async close(): Promise<void> {
    await this.client?.close();
    this.client = undefined;
  }

  private worker(): WorkerClient {
    return (this.client ??= new WorkerClient());
  }
}
