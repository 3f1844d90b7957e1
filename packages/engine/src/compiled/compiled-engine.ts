import { availableParallelism } from 'node:os';
import { assertProviderWorks } from '@drf/onnx';
import {
  flattenTree,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type PrepareOptions,
  type Program,
  type PureFunction,
  type PureStep,
  type StepProgram,
  type TensorTree,
} from '@drf/tensor';
import { startBackend } from '../eager/backend.js';
import { assertProducts, ProgramList } from '../programs.js';
import type { CompileOptions } from './options.js';
import { CompiledProgram, FixedRecords } from './compiled-program.js';
import { CompiledStepProgram } from './compiled-step-program.js';
import { DynamicRecords } from './dynamic-records.js';
import { Lanes, lanesFor, ParallelProgram } from './parallel-program.js';
import { SessionHost } from './session-host.js';
import { type FunctionRecords, SharedConstantsProgram } from './shared-constants-program.js';

/** Constants up to 64 MiB are written into each graph. */
const DEFAULT_WRITTEN_BYTES = 2 ** 26;

function bytesOf(tree: HostTree): number {
  return [...flattenTree<HostTensor>(tree).values()].reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** Of a table, such as that of word pieces, which is no factor of products, that it has more rows than so many times its columns. */
const ROWS_OF_TABLES = 8;

/** What constants take whose matrices are in eight bits, about. */
function bytesInInt8(tree: HostTree): number {
  return [...flattenTree<HostTensor>(tree).values()].reduce((sum, { data, shape: [rows = 1, columns = 1, more] }) => {
    const isMatrix = columns > 1 && more === undefined && rows <= ROWS_OF_TABLES * columns;
    return sum + (isMatrix ? data.byteLength / 4 : data.byteLength);
  }, 0);
}

class CompiledEngine implements Engine {
  readonly name: string;
  private readonly programs: ProgramList;
  private readonly host: SessionHost;
  private readonly lanes: Lanes;
  /** What runs that overlap may share; undefined on an accelerator, which computes one after the other. */
  private readonly threads: number | undefined;
  private readonly writtenBytes: number;
  /** Whether sessions for any sizes are tried: other accelerators leave their operations to the CPU. */
  private readonly takesAnySize: boolean;

  constructor(options: CompileOptions) {
    const { provider = 'cpu' } = options;
    this.name = provider === 'cpu' ? 'compiled' : `compiled:${provider}`;
    this.programs = new ProgramList(this.name);
    this.host = new SessionHost(options);
    // many sessions for shapes that come seldom: each would hold memory of its own, and none is faster with it
    this.lanes = new Lanes(() => new SessionHost(options, false));
    this.threads = provider === 'cpu' ? (options.threads ?? availableParallelism()) : undefined;
    this.writtenBytes = options.writtenBytes ?? DEFAULT_WRITTEN_BYTES;
    this.takesAnySize = provider === 'cpu' || provider === 'cuda';
  }

  async prepare<C extends TensorTree, I extends TensorTree, O extends TensorTree>(
    compute: PureFunction<C, I, O>,
    constants: Host<C>,
    { products, parallel = false, dynamicAxes = [] }: PrepareOptions = {},
  ): Promise<Program<I, O>> {
    assertProducts(this.name, products);
    const bytes = bytesOf(constants);
    const isParallel = parallel !== false && this.threads !== undefined;
    if (!isParallel && products !== 'int8' && dynamicAxes.length === 0 && bytes <= this.writtenBytes) {
      return this.programs.add(() => new CompiledProgram<C, I, O>(this.host, compute, constants));
    }
    const records: FunctionRecords<C, I, O> = {
      dynamic: new DynamicRecords(compute, constants, this.takesAnySize ? dynamicAxes : [], products),
      fixed: new FixedRecords(),
    };
    const copy = products === 'int8' && records.dynamic.isPossible ? bytesInInt8(constants) : bytes;
    const lanes = lanesFor(copy, this.threads ?? 1, records.dynamic.isPossible, products);
    const mostLanes = typeof parallel === 'number' ? Math.max(1, parallel) : lanes;
    const { threads = 1 } = this;
    const program = this.programs.add(() =>
      isParallel
        ? new ParallelProgram<C, I, O>(
            this.lanes,
            Math.min(lanes, mostLanes),
            threads,
            compute,
            constants,
            records,
            products,
          )
        : new SharedConstantsProgram<C, I, O>(this.host, compute, constants, records, products),
    );
    try {
      await program.load();
    } catch (error) {
      await program.dispose();
      throw error;
    }
    return program;
  }

  async prepareStep<S extends TensorTree, I extends TensorTree, O extends TensorTree>(
    step: PureStep<S, I, O>,
    initialState: Host<S>,
    { products }: PrepareOptions = {},
  ): Promise<StepProgram<S, I, O>> {
    assertProducts(this.name, products);
    const program = this.programs.add(() => new CompiledStepProgram<S, I, O>(this.host, step, initialState, products));
    await program.ready.catch(() => undefined); // until then the caller's arrays are read; the first call reports it
    return program;
  }

  async dispose(): Promise<void> {
    await this.programs.dispose();
    await Promise.all([this.host.close(), this.lanes.close()]);
  }
}

/**
 * An engine that traces each function into a graph, one for each structure of its inputs or one for all sizes of some axes,
 * and runs the graph by ONNX Runtime in a worker thread, where a step's state stays.
 * @throws ConfigurationError when the execution provider is unknown; UnavailableError that says why it does not work here
 */
export async function createCompiledEngine(options: CompileOptions = {}): Promise<Engine> {
  await assertProviderWorks(options.provider ?? 'cpu', options.machine);
  const engine = new CompiledEngine(options);
  await startBackend('cpu'); // computes what is constant while tracing
  return engine;
}
