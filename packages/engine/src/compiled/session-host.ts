import { encodeModel, type OnnxModel } from '@drf/onnx';
import {
  assertProvider,
  sessionOptions,
  WorkerClient,
  type NamedTensor,
  type StateLeaf,
  type StepPlan,
} from '@drf/onnx/worker';
import { ConfigurationError, flattenTree, sizeOf, unflattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { reachable, type TracedFunction } from '../graph/graph.js';
import { withReshapedBarriers } from '../onnx/barriers.js';
import type { AddedLeaf } from '../onnx/int8.js';
import { modelOf, portName } from '../onnx/write.js';
import type { CompileOptions } from './options.js';

/** Numbers that travel in one message: 16 MiB. */
const PIECE = 2 ** 22;

/** State in one WebAssembly memory; gradients lie behind it, and 4 GiB is the end. */
const DEFAULT_MEMORY_BYTES = 2 ** 30;

/** Intermediate values for which a session may keep memory; beyond, memory goes back after each run. */
const LARGEST_KEPT = 2 ** 28;

/** Bytes of all values that a graph computes. */
function bytesOfValues(traced: TracedFunction): number {
  const made = reachable(traced).operations.flatMap((operation) => operation.outputs);
  return made.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
}

/** Whether every number is 0 (not −0), bit for bit. */
function isZero(data: HostTensor['data']): boolean {
  return new Uint32Array(data.buffer, data.byteOffset, data.length).every((bits) => bits === 0);
}

/** What a session is made of, and how it moves a state on if it is a step's. */
export interface Recorded {
  readonly model: OnnxModel;
  /** Names of what it returns. */
  readonly outputs: readonly string[];
  /** Bytes of all values that a run computes; unknown where sizes differ from run to run. */
  readonly valueBytes?: number;
  readonly plan?: StepPlan;
  /** Leaves of the state that the graph reads and the function does not know. */
  readonly added?: readonly AddedLeaf[];
}

/** A traced function as a session computes it. */
export function recordedOf(traced: TracedFunction): Recorded {
  return {
    model: modelOf(withReshapedBarriers(traced)),
    outputs: traced.outputs.flatMap(({ role, name }) => (role === 'output' ? [name] : [])),
    valueBytes: bytesOfValues(traced),
  };
}

/** A session in the worker: its number, and the names of what it returns. */
export interface Session {
  readonly number: number;
  readonly outputs: readonly string[];
}

/** Leaves of a host tree, with nothing about them but what the worker takes. */
export function namedLeaves(tree: HostTree): NamedTensor[] {
  return [...flattenTree<HostTensor>(tree)].map(([name, { shape, dtype, data }]) => ({ name, shape, dtype, data }));
}

function inputsOf(tree: HostTree): NamedTensor[] {
  return namedLeaves(tree).map((leaf) => ({ ...leaf, name: portName({ role: 'input', name: leaf.name }) }));
}

/** Sessions and states of one worker thread, which starts with the first of them. */
export class SessionHost {
  private client: WorkerClient | undefined;
  private nextNumber = 0;
  private isClosed = false;

  /** @param keepsMemory whether sessions for inputs of one size may keep the memory of intermediate values from run to run */
  constructor(
    private readonly options: CompileOptions,
    private readonly keepsMemory = true,
  ) {
    assertProvider(options.provider ?? 'cpu', options.machine);
  }

  /** Whether its worker thread has ended. */
  get isGone(): boolean {
    return this.client?.isGone === true;
  }

  /** @param plan of a step; `threads` that compute it, default as the engine's options say */
  async create(recorded: Recorded, threads = this.options.threads): Promise<Session> {
    const session = this.nextNumber++;
    const { outputs, plan, valueBytes } = recorded;
    const model = encodeModel(recorded.model);
    // there are few sessions for all sizes
    const keepsMemory = valueBytes === undefined ? 'any sizes' : this.keepsMemory && valueBytes <= LARGEST_KEPT;
    const options = sessionOptions({ ...this.options, threads }, keepsMemory);
    await this.worker().ask({ kind: 'create', session, model, options, plan }, [model.buffer as ArrayBuffer]);
    return { number: session, outputs };
  }

  /** Runs a session; with a state, it is a step of it. */
  async run({ number: session, outputs }: Session, tree: HostTree, state?: number): Promise<HostTree> {
    const asked = {
      session,
      inputs: inputsOf(tree),
      outputs: outputs.map((name) => portName({ role: 'output', name })),
    };
    const tensors = await (state === undefined
      ? this.worker().ask({ kind: 'run', ...asked })
      : this.worker().ask({ kind: 'step', state, ...asked }));
    return unflattenTree(outputs.map((name, i) => [name, tensors[i] as HostTensor] as const));
  }

  release({ number }: Session): Promise<void> {
    return this.worker().ask({ kind: 'release', session: number });
  }

  /**
   * Makes a state of these numbers.
   * @param smallest size from which on floats lie where loops can overwrite them
   */
  async makeState(state: number, tensors: readonly NamedTensor[], smallest: number): Promise<void> {
    const memoryBytes = this.options.memoryBytes ?? DEFAULT_MEMORY_BYTES;
    const leaves = tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
    await this.worker().ask({ kind: 'make-state', state, leaves, smallest, memoryBytes });
    for (const tensor of tensors) await this.writeLeaf(state, tensor, 'zeros');
  }

  newState(): number {
    return this.nextNumber++;
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
  async readLeaf(state: number, { name, shape, dtype }: StateLeaf): Promise<HostTensor> {
    const size = sizeOf(shape);
    const data = dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
    for (let offset = 0; offset < size; offset += PIECE) {
      data.set(await this.worker().ask({ kind: 'read-leaf', state, name, offset, end: offset + PIECE }), offset);
    }
    return { shape, dtype, data };
  }

  /** Adds a leaf to a state, or writes it anew: one that no step changes. */
  addLeaf(state: number, { name, shape, data }: AddedLeaf): Promise<void> {
    const copy = data.slice();
    return this.worker().ask({ kind: 'add-leaf', state, name, shape, data: copy }, [copy.buffer]);
  }

  dropState(state: number): Promise<void> {
    return this.worker().ask({ kind: 'drop-state', state });
  }

  /** Ends the worker thread; no other is started. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.client?.close();
    this.client = undefined;
  }

  private worker(): WorkerClient {
    if (this.isClosed) {
      throw new ConfigurationError({
        subject: 'the engine',
        expected: 'to be used before it is disposed',
        received: 'a call after dispose()',
        remedy: 'create another engine',
      });
    }
    return (this.client ??= new WorkerClient());
  }
}
