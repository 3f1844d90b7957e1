import type { StateLeaf } from '@drf/onnx/worker';
import {
  mapTree,
  unflattenTree,
  type Host,
  type HostTensor,
  type HostTree,
  type ProductType,
  type PureStep,
  type StepProgram,
  type TensorTree,
} from '@drf/tensor';
import { partition, planOf, SMALLEST_FUSED } from '../fused/partition.js';
import { QuantizedMatrices, type QuantizedMatrix, withInt8Products } from '../onnx/int8.js';
import { assertSameLeaves, noLeaf, Turns } from '../programs.js';
import { trace } from '../trace/trace.js';
import { MOST_LIGHT_SESSIONS, type FixedRecords, structureOf, SessionCache } from './compiled-program.js';
import { namedLeaves, type Recorded, recordedOf, type Session, type SessionHost } from './session-host.js';

/** A step whose state stays in the worker thread. */
export class CompiledStepProgram<
  S extends TensorTree,
  I extends TensorTree,
  O extends TensorTree,
> implements StepProgram<S, I, O> {
  private readonly turns = new Turns('StepProgram.step');
  private readonly cache: SessionCache;
  private readonly state: number;
  /** Shapes and types only matter; the numbers are the worker's. */
  private readonly example: Host<S>;
  private readonly leaves: readonly StateLeaf[];
  /** Of all sessions, as each of them would read the numbers and round them again. */
  private readonly quantized: QuantizedMatrices;
  /** Names of leaves that the worker has beside those of the state. */
  private readonly added = new Set<string>();
  /** Settles once the initial state is in the worker; the first call reports a failure. */
  readonly ready: Promise<void>;

  constructor(
    private readonly host: SessionHost,
    private readonly compute: PureStep<S, I, O>,
    initialState: Host<S>,
    private readonly products: ProductType = 'float32',
    private readonly records?: FixedRecords,
  ) {
    this.quantized = records?.quantized ?? new QuantizedMatrices();
    this.cache = new SessionCache(host, records === undefined ? undefined : MOST_LIGHT_SESSIONS);
    this.state = host.newState();
    const tensors = namedLeaves(initialState);
    this.leaves = tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
    const nothing = new Float32Array(0);
    this.example = mapTree(initialState, ({ shape, dtype }) => ({ shape, dtype, data: nothing })) as Host<S>;
    this.ready = host.makeState(this.state, tensors, SMALLEST_FUSED);
    this.ready.catch(() => undefined);
  }

  /**
   * The first call with inputs of new shapes traces and compiles.
   * @param threads that compute it; default as the engine's options say
   */
  step(inputs: Host<I>, threads?: number): Promise<Host<O>> {
    return this.turns.take(async () => {
      await this.ready;
      const run = (session: Session): Promise<HostTree> => this.host.run(session, inputs, this.state);
      const make = async (): Promise<Session> => this.host.create(await this.recorded(inputs), threads);
      const structure = `${threads ?? 'all'} threads, ${structureOf(inputs)}`;
      return (await this.cache.use(structure, make, run)) as Host<O>;
    });
  }

  readState(): Promise<Host<S>> {
    return this.turns.take(async () => {
      await this.ready;
      const tensors: [string, HostTensor][] = [];
      for (const leaf of this.leaves) tensors.push([leaf.name, await this.host.readLeaf(this.state, leaf)]);
      return unflattenTree(tensors) as Host<S>;
    });
  }

  readLeaf(flatName: string): Promise<HostTensor> {
    return this.turns.take(async () => {
      const leaf = this.leaves.find(({ name }) => name === flatName);
      if (leaf === undefined) throw noLeaf(flatName, this.leaves.map(({ name }) => name)); // prettier-ignore
      await this.ready;
      return this.host.readLeaf(this.state, leaf);
    });
  }

  /**
   * Replaces the state.
   * @throws ShapeMismatchError when it is of another shape
   */
  writeState(state: Host<S>): Promise<void> {
    return this.turns.take(async () => {
      assertSameLeaves('StepProgram.writeState', this.example, state);
      await this.ready;
      if (this.products === 'int8') await this.cache.dispose(); // so that records are made anew, with other numbers
      this.quantized.clear();
      this.added.clear();
      for (const leaf of namedLeaves(state)) await this.host.writeLeaf(this.state, leaf, 'numbers');
    });
  }

  /** Ends the session and frees the state; the program cannot be used afterwards. */
  async dispose(): Promise<void> {
    if (!this.turns.dispose()) return;
    await this.cache.dispose();
    const isThere = await this.ready.then(() => true, () => false); // prettier-ignore
    if (isThere) await this.host.dropState(this.state);
  }

  /** A record, and what it reads in the worker. */
  private async recorded(inputs: Host<I>): Promise<Recorded> {
    const record = (): Promise<Recorded> => this.record(inputs);
    const recorded = await (this.records?.of(inputs, record) ?? record());
    for (const leaf of recorded.added ?? []) {
      if (this.added.has(leaf.name)) continue;
      await this.host.addLeaf(this.state, leaf);
      this.added.add(leaf.name);
    }
    return recorded;
  }

  private async record(inputs: Host<I>): Promise<Recorded> {
    const given = { constants: {}, state: this.example, inputs };
    const traced = trace(given, (_, state, own) => {
      const result = this.compute(state, own);
      assertSameLeaves('StepProgram.step', this.example, result.state);
      return result;
    });
    const { traced: computed, added } =
      this.products === 'int8'
        ? await withInt8Products(traced, (name, transposed) => this.quantize(name, transposed))
        : { traced, added: [] };
    const parts = partition(computed);
    return { ...recordedOf(parts.traced), plan: planOf(parts), added };
  }

  private quantize(name: string, transposed: boolean): Promise<QuantizedMatrix> {
    const leaf = this.leaves.find((each) => each.name === name) as StateLeaf;
    return this.quantized.of(name, transposed, () => this.host.readLeaf(this.state, leaf));
  }
}
