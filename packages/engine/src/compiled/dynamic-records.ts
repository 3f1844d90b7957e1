import { setImmediate } from 'node:timers/promises';
import { BATCH_AXIS, type DynamicAxis, LENGTH_AXIS, type OnnxModel, type OnnxTensor, withDynamicAxes } from '@drf/onnx';
import {
  ConfigurationError,
  flattenTree,
  mapTree,
  type DynamicAxisName,
  type Host,
  type HostTensor,
  type HostTree,
  type ProductType,
  type PureFunction,
  type TensorTree,
} from '@drf/tensor';
import type { TracedFunction } from '../graph/graph.js';
import { ELEMENT_TYPE_CODES } from '../graph/value.js';
import { type AddedLeaf, QuantizedMatrices, withInt8Products } from '../onnx/int8.js';
import { modelOf, portName } from '../onnx/write.js';
import { trace } from '../trace/trace.js';
import { structureOf } from './compiled-program.js';
import type { Recorded } from './session-host.js';

const AXES: Readonly<Record<DynamicAxisName, DynamicAxis>> = { batch: BATCH_AXIS, length: LENGTH_AXIS };

/** @throws ConfigurationError for an axis of another name */
function axisOf(name: DynamicAxisName): DynamicAxis {
  if (Object.hasOwn(AXES, name)) return AXES[name];
  throw new ConfigurationError({
    subject: 'prepare, dynamicAxes,',
    expected: Object.keys(AXES)
      .map((each) => `"${each}"`)
      .join(' or '),
    received: JSON.stringify(name),
    remedy: 'leave it out for one graph for each shape of inputs',
  });
}

/** Constants that a graph may hold: a file of protobuf messages, as which it goes to the runtime, ends at 2 GiB. */
const MOST_CONSTANT_BYTES = 1.75 * 2 ** 30;

/** A record for all sizes of some axes. */
export interface DynamicRecord extends Recorded {
  /** What inputs it is for. */
  readonly structure: string;
}

/** A record that exists or is being made. */
interface Found {
  /** Undefined where the function depends on the sizes by more than shapes. */
  readonly recorded: Promise<DynamicRecord | undefined>;
}

function constantTensor(
  { name, shape, data }: AddedLeaf | (HostTensor & { readonly name: string }),
  type: keyof typeof ELEMENT_TYPE_CODES,
): OnnxTensor {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name: portName({ role: 'state', name }), dims: shape, dataType: ELEMENT_TYPE_CODES[type], rawData };
}

/** Constants by their names. */
type Leaves = ReadonlyMap<string, HostTensor>;

/** The model with numbers in place of the inputs that stand for them. */
function withConstants(model: OnnxModel, leaves: Leaves, added: ReadonlyMap<string, AddedLeaf>): OnnxModel {
  const { graph } = model;
  const read = new Set([...graph.node.flatMap(({ input }) => input), ...graph.output.map(({ name }) => name)]);
  const constants = [
    ...[...leaves].map(([name, leaf]) => constantTensor({ name, ...leaf }, leaf.dtype)),
    ...[...added.values()].map((leaf) => constantTensor(leaf, leaf.data instanceof Int8Array ? 'int8' : 'float32')),
  ];
  const names = new Set(constants.map(({ name }) => name));
  const initializer = [...graph.initializer, ...constants.filter(({ name }) => read.has(name))];
  return { ...model, graph: { ...graph, input: graph.input.filter(({ name }) => !names.has(name)), initializer } };
}

/**
 * Records of a function for all sizes of some axes of its inputs. Its constants are part of the graph, which the runtime
 * packs for its products once, instead of in each run.
 */
export class DynamicRecords<C extends TensorTree, I extends TensorTree, O extends TensorTree> {
  private readonly axes: readonly DynamicAxis[];
  private readonly kept = new Map<string, Promise<DynamicRecord | undefined>>();
  private readonly quantized = new QuantizedMatrices();
  /** By their names. Shapes and types matter while the function is traced; the numbers come into the model at the end. */
  private leaves: Leaves;
  private readonly example: Host<C>;
  private possible: boolean;
  /** Whether outputs have come from such a record. */
  isUsed = false;

  constructor(
    private readonly compute: PureFunction<C, I, O>,
    constants: Host<C>,
    axes: readonly DynamicAxisName[],
    private readonly products: ProductType = 'float32',
  ) {
    this.axes = axes.map(axisOf);
    this.leaves = flattenTree<HostTensor>(constants);
    const nothing = new Float32Array(0);
    this.example = mapTree(constants as HostTree, ({ shape, dtype }) => ({ shape, dtype, data: nothing })) as Host<C>;
    const bytes = [...this.leaves.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    this.possible = axes.length > 0 && bytes <= MOST_CONSTANT_BYTES;
    if (!this.possible) this.leaves = new Map();
  }

  /** Whether there are such records, as far as is known. */
  get isPossible(): boolean {
    return this.possible;
  }

  /**
   * From now on there are none: the function depends on sizes by more than shapes, or a worker cannot make a session.
   * @throws the error, if there is one, where outputs have come from such a record: others might differ in their last bits
   */
  refuse(error?: unknown): void {
    if (error !== undefined && this.isUsed) throw error;
    this.possible = false;
    this.leaves = new Map();
    this.kept.clear();
    this.quantized.clear();
  }

  /** The record for inputs like these; undefined where they do not agree on the size of an axis. */
  find(inputs: Host<I>): Found | undefined {
    if (!this.possible || !this.agree(inputs)) return undefined;
    const structure = structureOf(this.withSizes(inputs, this.axes.map(() => 0))); // prettier-ignore
    const known = this.kept.get(structure);
    if (known !== undefined) return { recorded: known };
    const recorded = this.record(structure, inputs);
    this.kept.set(structure, recorded);
    recorded.catch(() => this.kept.delete(structure)); // tried again next time; the caller sees this error
    return { recorded };
  }

  private agree(inputs: Host<I>): boolean {
    const shapes = [...flattenTree<HostTensor>(inputs as HostTree).values()].map(({ shape }) => shape);
    return this.axes.every(({ axis }) => {
      const sizes = new Set(shapes.filter(({ length }) => length > axis).map((shape) => shape[axis] as number));
      return sizes.size === 1 && !sizes.has(0);
    });
  }

  private withSizes(inputs: Host<I>, sizes: readonly number[]): Host<I> {
    return mapTree(inputs as HostTree, ({ shape, dtype }) => {
      const sized = [...shape];
      this.axes.forEach(({ axis }, i) => axis < shape.length && (sized[axis] = sizes[i] as number));
      return { shape: sized, dtype, data: new Float32Array(0) };
    }) as Host<I>;
  }

  private async record(structure: string, inputs: Host<I>): Promise<DynamicRecord | undefined> {
    const { leaves } = this; // also for what is still being made when there are to be no more records
    let outputs: readonly string[] = [];
    const added = new Map<string, AddedLeaf>();
    const model = await withDynamicAxes(this.axes, async (sizes) => {
      await setImmediate(); // so that whoever waits is answered between the traces
      const traced = this.traceAt(sizes, inputs);
      if (traced === undefined) return undefined;
      const computed = this.products === 'int8' ? await this.inInt8(traced, leaves) : { traced, added: [] };
      for (const leaf of computed.added) added.set(leaf.name, leaf);
      const ports = computed.traced.outputs.filter(({ role }) => role === 'output');
      outputs = ports.map(({ name }) => name);
      return modelOf({ ...computed.traced, outputs: ports });
    });
    if (model !== undefined) return { structure, model: withConstants(model, leaves, added), outputs };
    this.refuse();
    return undefined;
  }

  /** Undefined for sizes that the function does not take; what else is wrong with it shows for the inputs as they are. */
  private traceAt(sizes: readonly number[], inputs: Host<I>): TracedFunction | undefined {
    const given = { constants: {}, state: this.example, inputs: this.withSizes(inputs, sizes) };
    try {
      return trace(given, (_, state, own) => ({ state, outputs: this.compute(state, own) }));
    } catch {
      return undefined;
    }
  }

  private inInt8(traced: TracedFunction, leaves: Leaves): ReturnType<typeof withInt8Products> {
    return withInt8Products(traced, (name, transposed) =>
      this.quantized.of(name, transposed, async () => leaves.get(name) as HostTensor),
    );
  }
}
