import { BATCH_AXIS, type DynamicAxis, LENGTH_AXIS, type OnnxModel, type OnnxTensor, withDynamicAxes } from '@drf/onnx';
import {
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
import { ELEMENT_TYPE_CODES } from '../graph/value.js';
import { type AddedLeaf, quantizeMatrix, type QuantizedMatrix, withInt8Products } from '../onnx/int8.js';
import { modelOf, portName } from '../onnx/write.js';
import { trace } from '../trace/trace.js';
import { structureOf } from './compiled-program.js';
import type { Recorded } from './session-host.js';

const AXES: Readonly<Record<DynamicAxisName, DynamicAxis>> = { batch: BATCH_AXIS, length: LENGTH_AXIS };

/** Constants that a graph may hold: a file of protobuf messages, as which it goes to the runtime, ends at 2 GiB. */
const MOST_CONSTANT_BYTES = 2 ** 30;

/** A record for all sizes of some axes, and what inputs it is for. */
interface Found {
  readonly structure: string;
  /** Undefined where the function depends on the sizes in another way than by shapes. */
  readonly recorded: Promise<Recorded | undefined>;
}

function constantTensor(
  { name, shape, data }: AddedLeaf | (HostTensor & { readonly name: string }),
  type: keyof typeof ELEMENT_TYPE_CODES,
): OnnxTensor {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name: portName({ role: 'state', name }), dims: shape, dataType: ELEMENT_TYPE_CODES[type], rawData };
}

/**
 * Records of a function for all sizes of some axes of its inputs. Its constants are part of the graph, which the runtime
 * packs for its products once, instead of in each run.
 */
export class DynamicRecords<C extends TensorTree, I extends TensorTree, O extends TensorTree> {
  private readonly axes: readonly DynamicAxis[];
  private readonly kept = new Map<string, Promise<Recorded | undefined>>();
  private readonly quantized = new Map<string, Promise<QuantizedMatrix>>();
  /** By their names. Shapes and types matter while the function is traced; the numbers come into the model at the end. */
  private readonly leaves: ReadonlyMap<string, HostTensor>;
  private readonly example: Host<C>;
  /** Whether there may be such a record. */
  readonly isPossible: boolean;

  constructor(
    private readonly compute: PureFunction<C, I, O>,
    constants: Host<C>,
    axes: readonly DynamicAxisName[],
    private readonly products: ProductType = 'float32',
  ) {
    this.axes = axes.map((name) => AXES[name]);
    this.leaves = flattenTree<HostTensor>(constants);
    const nothing = new Float32Array(0);
    this.example = mapTree(constants as HostTree, ({ shape, dtype }) => ({ shape, dtype, data: nothing })) as Host<C>;
    const bytes = [...this.leaves.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    this.isPossible = axes.length > 0 && bytes <= MOST_CONSTANT_BYTES;
  }

  /** The record for inputs like these; undefined where they do not agree on the size of an axis. */
  find(inputs: Host<I>): Found | undefined {
    if (!this.isPossible || !this.agree(inputs)) return undefined;
    const structure = structureOf(this.withSizes(inputs, this.axes.map(() => 0))); // prettier-ignore
    const recorded = this.kept.get(structure) ?? this.record(inputs);
    this.kept.set(structure, recorded);
    return { structure, recorded };
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

  private async record(inputs: Host<I>): Promise<Recorded | undefined> {
    let outputs: readonly string[] = [];
    const added = new Map<string, AddedLeaf>();
    const model = await withDynamicAxes(this.axes, async (sizes) => {
      try {
        const given = { constants: {}, state: this.example, inputs: this.withSizes(inputs, sizes) };
        const traced = trace(given, (_, state, own) => ({ state, outputs: this.compute(state, own) }));
        const computed = this.products === 'int8' ? await this.inInt8(traced) : { traced, added: [] };
        for (const leaf of computed.added) added.set(leaf.name, leaf);
        const ports = computed.traced.outputs.filter(({ role }) => role === 'output');
        outputs = ports.map(({ name }) => name);
        return modelOf({ ...computed.traced, outputs: ports });
      } catch {
        return undefined; // for sizes that the function does not take; what else is wrong shows for the inputs as they are
      }
    });
    return model && { model: this.withConstants(model, added), outputs };
  }

  private inInt8(traced: Parameters<typeof withInt8Products>[0]): ReturnType<typeof withInt8Products> {
    return withInt8Products(traced, (name, transposed) => {
      const key = `${name} ${transposed}`;
      const quantized = this.quantized.get(key) ?? Promise.resolve(quantizeMatrix(this.leaves.get(name) as HostTensor, transposed)); // prettier-ignore
      this.quantized.set(key, quantized);
      return quantized;
    });
  }

  /** The model with numbers in place of the inputs that stand for them. */
  private withConstants(model: OnnxModel, added: ReadonlyMap<string, AddedLeaf>): OnnxModel {
    const { graph } = model;
    const read = new Set([...graph.node.flatMap(({ input }) => input), ...graph.output.map(({ name }) => name)]);
    const constants = [
      ...[...this.leaves].map(([name, leaf]) => constantTensor({ name, ...leaf }, leaf.dtype)),
      ...[...added.values()].map((leaf) => constantTensor(leaf, leaf.data instanceof Int8Array ? 'int8' : 'float32')),
    ];
    const names = new Set(constants.map(({ name }) => name));
    const initializer = [...graph.initializer, ...constants.filter(({ name }) => read.has(name))];
    return { ...model, graph: { ...graph, input: graph.input.filter(({ name }) => !names.has(name)), initializer } };
  }
}
