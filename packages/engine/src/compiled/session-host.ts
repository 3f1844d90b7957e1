import { flattenTree, sizeOf, unflattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { reachable } from '../onnx/reachable.js';
import { writeModel } from '../onnx/write.js';
import type { FusedPlan } from '../fused/plan.js';
import { assertProvider, sessionOptions, type CompileOptions } from '../session/options.js';
import { WorkerClient } from '../session/worker-client.js';
import type { TracedFunction } from '../trace/trace.js';

/** A tensor on its way to or from the worker. */
export type NamedTensor = HostTensor & { readonly name: string };

/** A leaf of a state, its numbers aside. */
export type StateLeaf = Pick<NamedTensor, 'name' | 'shape' | 'dtype'>;

/** Numbers that travel in one message: 16 MiB. */
const PIECE = 2 ** 22;

/** State in one WebAssembly memory; gradients lie behind it, and 4 GiB is the end. */
const DEFAULT_MEMORY_BYTES = 2 ** 30;

/** Intermediate values for which a session may keep memory; beyond, memory goes back after each run. */
const LARGEST_KEPT = 2 ** 28;

/** Bytes of all values that a graph computes. */
function bytesOfValues({ graph, outputs }: TracedFunction): number {
  const made = reachable(graph, outputs.values()).operations.flatMap((operation) => operation.outputs);
  return made.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
}

/** Whether every number is 0 (not −0), bit for bit. */
function isZero(data: HostTensor['data']): boolean {
  return new Uint32Array(data.buffer, data.byteOffset, data.length).every((bits) => bits === 0);
}

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
  );
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
    const options = sessionOptions(this.options, bytesOfValues(traced) <= LARGEST_KEPT);
    const request = { kind: 'create', session: number, model, plan, options };
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

  /**
   * Makes a state of zeros.
   * @param smallest size from which on floats lie where loops can overwrite them
   */
  makeState(state: number, leaves: readonly StateLeaf[], smallest: number): Promise<void> {
    const memoryBytes = this.options.memoryBytes ?? DEFAULT_MEMORY_BYTES;
    return this.worker().ask({ kind: 'make-state', state, leaves, smallest, memoryBytes });
  }

  /** Writes numbers piece by piece, so that no second copy of a large tensor exists. @param over what is there */
  async writeLeaf(state: number, { name, data }: NamedTensor, over: 'zeros' | 'numbers'): Promise<void> {
    for (let offset = 0; offset < data.length; offset += PIECE) {
      const piece = data.subarray(offset, offset + PIECE);
      if (over === 'zeros' && isZero(piece)) continue; // memory that is never touched takes no room
      const copy = piece.slice();
      await this.worker().ask({ kind: 'write-leaf', state, name, offset, data: copy }, [copy.buffer]);
    }
  }

  /** Reads numbers piece by piece into an array of the caller's own. */
  async readLeaf(state: number, { name, shape, dtype }: StateLeaf): Promise<NamedTensor> {
    const size = sizeOf(shape);
    const data = dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
    for (let offset = 0; offset < size; offset += PIECE) {
      const request = { kind: 'read-leaf', state, name, offset, end: offset + PIECE };
      data.set(await this.worker().ask<typeof data>(request), offset);
    }
    return { name, shape, dtype, data };
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
