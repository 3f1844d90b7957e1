import {
  INT64,
  int64Numbers,
  int64Tensor,
  type OnnxAttribute,
  type OnnxDimension,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  shapeOf,
} from './model.js';

/** A number that depends on the size of an axis alone: offset + slope · size. */
interface Affine {
  readonly offset: number;
  readonly slope: number;
}

/**
 * The whole numbers offset and slope that explain a number seen at several sizes (at least three: two always
 * lie on a line, the others confirm it). Undefined when there are none.
 */
export function fitAffine(sizes: readonly number[], numbers: readonly number[]): Affine | undefined {
  const [firstSize, secondSize] = sizes as readonly [number, number];
  const [first, second] = numbers as readonly [number, number];
  const slope = (second - first) / (secondSize - firstSize);
  const offset = first - slope * firstSize;
  const fits = sizes.every((size, i) => offset + slope * size === numbers[i]);
  return fits && Number.isInteger(slope) ? { offset, slope } : undefined;
}

/** {@link fitAffine} of each number of lists that are equally long. */
export function fitAffineList(
  sizes: readonly number[],
  lists: readonly (readonly number[])[],
): readonly Affine[] | undefined {
  const [first] = lists as readonly [readonly number[]];
  if (lists.some((list) => list.length !== first.length)) return undefined;
  const fitted = first.map((_, i) =>
    fitAffine(
      sizes,
      lists.map((list) => list[i] as number),
    ),
  );
  return fitted.every((each) => each !== undefined) ? fitted : undefined;
}

/** A place where an operation (or an output) reads a constant, and that constant at each size of an axis. */
interface ConstantUse {
  readonly node: number;
  readonly input: number;
  readonly tensors: readonly OnnxTensor[];
}

/** Graphs of one function at several sizes of an axis that are the same but for constants and declared shapes. */
interface AlignedGraphs {
  readonly models: readonly OnnxModel[];
  readonly uses: readonly ConstantUse[];
}

function sameOperation(a: OnnxNode, b: OnnxNode): boolean {
  return (
    a.opType === b.opType &&
    a.input.length === b.input.length &&
    a.output.length === b.output.length &&
    JSON.stringify(a.attribute) === JSON.stringify(b.attribute)
  );
}

/** Names of one graph's values in another's terms. Constants are not in it: each use of one is compared by itself. */
class Renaming {
  private readonly names = new Map<string, string>();

  constructor(model: OnnxModel, other: OnnxModel) {
    model.graph.input.forEach(({ name }, i) => this.names.set(name, other.graph.input[i]?.name ?? ''));
  }

  fits(name: string, other: string): boolean {
    return name === '' ? other === '' : this.names.get(name) === other;
  }

  add(name: string, other: string): void {
    this.names.set(name, other);
  }
}

function constantsOf(model: OnnxModel): Map<string, OnnxTensor> {
  return new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]));
}

/**
 * Lines up the graphs of one function that was traced at several sizes of an axis, operation by operation.
 * @returns undefined when they differ in more than constants (two sizes that happen to be equal may have merged
 *   operations in one of them; other sizes then help)
 */
function alignGraphs(models: readonly OnnxModel[]): AlignedGraphs | undefined {
  const [base, ...others] = models as [OnnxModel, ...OnnxModel[]];
  if (others.some(({ graph }) => graph.node.length !== base.graph.node.length)) return undefined;
  const constants = models.map(constantsOf);
  const renamings = others.map((other) => new Renaming(base, other));
  const uses: ConstantUse[] = [];
  for (const [index, node] of base.graph.node.entries()) {
    const counterparts = others.map(({ graph }) => graph.node[index] as OnnxNode);
    if (!counterparts.every((other) => sameOperation(node, other))) return undefined;
    for (const [at, name] of node.input.entries()) {
      const names = [name, ...counterparts.map((other) => other.input[at] as string)];
      const tensors = names.map((each, i) => constants[i]?.get(each));
      if (tensors.every((tensor) => tensor !== undefined)) uses.push({ node: index, input: at, tensors });
      else if (tensors.some((tensor) => tensor !== undefined)) return undefined;
      else if (!renamings.every((renaming, i) => renaming.fits(name, names[i + 1] as string))) return undefined;
    }
    node.output.forEach((name, at) =>
      renamings.forEach((renaming, i) => renaming.add(name, counterparts[i]?.output[at] as string)),
    );
  }
  const outputsAgree = base.graph.output.every(({ name }, at) =>
    renamings.every((renaming, i) => renaming.fits(name, others[i]?.graph.output[at]?.name ?? '')),
  );
  return outputsAgree ? { models, uses } : undefined;
}

function integer(name: string, i: number): OnnxAttribute {
  return { name, type: 2, i };
}

/** An axis of inputs and outputs whose size differs from call to call. */
export interface DynamicAxis {
  /** In the file. */
  readonly name: string;
  /** Which one it is of the inputs that have it: 0 is the first. */
  readonly axis: number;
  /**
   * Sizes to trace at, three at a time: where one triple cannot be told from other sizes of the graph, or is not possible, the
   * next is tried.
   */
  readonly sizes: readonly (readonly number[])[];
}

/**
 * Operations and constants that compute, from the size of an input's axis, what a trace at one size had as constants.
 * They depend on nothing else, so they come before all other operations.
 */
class AxisNodes {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  private readonly known = new Map<string, string>();

  /** @param source an input of the graph that has the axis */
  constructor(
    private readonly source: string,
    private readonly axis: DynamicAxis,
  ) {}

  /** A constant of the given kind whose name nothing else has. */
  constant(tensor: OnnxTensor): string {
    const name = `${this.axis.name}_constant_${this.constants.length}`;
    this.constants.push({ ...tensor, name });
    return name;
  }

  integers(numbers: readonly number[]): string {
    return this.once(`integers ${numbers.join()}`, () => this.constant(int64Tensor('', numbers)));
  }

  /** A vector of whole numbers, some of which depend on the size. */
  vector(numbers: readonly Affine[]): string {
    const key = `vector ${numbers.map(({ offset, slope }) => `${offset}+${slope}b`).join()}`;
    return this.once(key, () => {
      const pieces: string[] = [];
      let fixed: number[] = [];
      const flush = (): void => {
        if (fixed.length > 0) pieces.push(this.integers(fixed));
        fixed = [];
      };
      for (const number of numbers) {
        if (number.slope === 0) fixed.push(number.offset);
        else {
          flush();
          pieces.push(this.number(number));
        }
      }
      flush();
      return pieces.length === 1 ? (pieces[0] as string) : this.operation('Concat', pieces, [integer('axis', 0)]);
    });
  }

  /** A constant repeated to a shape that depends on the size. */
  expand(tensor: OnnxTensor, shape: readonly Affine[]): string {
    return this.operation('Expand', [this.constant(tensor), this.vector(shape)]);
  }

  /** [1] */
  private number({ offset, slope }: Affine): string {
    return this.once(`number ${offset}+${slope}b`, () => {
      const size = this.size();
      const scaled = slope === 1 ? size : this.operation('Mul', [size, this.integers([slope])]);
      return offset === 0 ? scaled : this.operation('Add', [scaled, this.integers([offset])]);
    });
  }

  /** The size of the axis, [1]. */
  private size(): string {
    const { axis } = this.axis;
    const place = [integer('start', axis), integer('end', axis + 1)];
    return this.once('size', () => this.operation('Shape', [this.source], place));
  }

  private operation(opType: string, input: readonly string[], attribute: readonly OnnxAttribute[] = []): string {
    const name = `${this.axis.name}_${opType}_${this.nodes.length}`;
    this.nodes.push({ name, opType, input, output: [name], attribute });
    return name;
  }

  private once(key: string, make: () => string): string {
    const name = this.known.get(key) ?? make();
    this.known.set(key, name);
    return name;
  }
}

/** Whether a constant is the same at every size. */
function sameBytes(tensors: readonly OnnxTensor[]): boolean {
  const [first, ...others] = tensors as [OnnxTensor, ...OnnxTensor[]];
  return others.every(
    ({ dims, rawData }) => dims.join() === first.dims.join() && Buffer.compare(rawData, first.rawData) === 0,
  );
}

/** Numbers repeated along the axes that grow with the size: the constant with those axes of size 1. */
function unrepeated({ dims, rawData, ...rest }: OnnxTensor, shape: readonly Affine[]): OnnxTensor | undefined {
  const axis = shape.findIndex(({ slope }) => slope !== 0);
  if (shape.some(({ slope }, at) => slope !== 0 && at !== axis)) return undefined;
  const outer = dims.slice(0, axis).reduce((product, size) => product * size, 1);
  const count = dims[axis] as number;
  const blockBytes = rawData.byteLength / (outer * count);
  const block = (index: number): Uint8Array => rawData.subarray(index * blockBytes, (index + 1) * blockBytes);
  const kept: Uint8Array[] = [];
  for (let index = 0; index < outer; index++) {
    const first = block(index * count);
    for (let again = 1; again < count; again++) {
      if (Buffer.compare(first, block(index * count + again)) !== 0) return undefined;
    }
    kept.push(first);
  }
  return { ...rest, dims: dims.map((size, at) => (at === axis ? 1 : size)), rawData: Buffer.concat(kept) };
}

/**
 * What stands in a constant's place at any size of an axis.
 * @param reader the operation that reads the constant as its input of the given place
 * @returns the name of a value; undefined when the constant's numbers follow no rule known here
 */
function generalizeConstant(
  { tensors }: ConstantUse,
  reader: OnnxNode,
  input: number,
  sizes: readonly number[],
  axisNodes: AxisNodes,
): string | undefined {
  const [first] = tensors as [OnnxTensor];
  const isVector = tensors.every(({ dataType, dims }) => dataType === INT64 && dims.length === 1);
  const numbers = isVector ? fitAffineList(sizes, tensors.map(int64Numbers)) : undefined;
  if (numbers !== undefined) {
    const isShape = reader.opType === 'Reshape' && input === 1;
    const varying = numbers.filter(({ slope }) => slope !== 0);
    const isOpen = numbers.some(({ offset, slope }) => slope === 0 && offset === -1);
    // a reshape finds one size by itself, which spares the runtime the arithmetic
    if (isShape && !isOpen && varying.length === 1) {
      return axisNodes.integers(numbers.map(({ offset, slope }) => (slope === 0 ? offset : -1)));
    }
    return axisNodes.vector(numbers);
  }
  const shape = fitAffineList(
    sizes,
    tensors.map(({ dims }) => dims),
  );
  if (shape === undefined || shape.every(({ slope }) => slope === 0)) return undefined;
  const small = tensors.map((tensor) => unrepeated(tensor, shape));
  if (small.some((tensor) => tensor === undefined) || !sameBytes(small as OnnxTensor[])) return undefined;
  return axisNodes.expand({ ...(small[0] as OnnxTensor), name: first.name }, shape);
}

/** Posts: sizes are primes that few widths share, so that sizes which mean different things seldom coincide. */
export const BATCH_AXIS: DynamicAxis = {
  name: 'batch',
  axis: 0,
  sizes: [
    [11, 13, 17],
    [19, 23, 29],
    [67, 71, 73],
  ],
};

/** Tokens of texts: unlike numbers of posts, and seldom a model's width. */
export const LENGTH_AXIS: DynamicAxis = {
  name: 'sequence',
  axis: 1,
  sizes: [
    [5, 7, 21],
    [31, 37, 41],
    [47, 53, 59],
    [5, 7, 9],
  ],
};

/** A declared input or output with the axis named where it has it. */
function declared(
  infos: readonly OnnxValueInfo[],
  sizes: readonly number[],
  axis: DynamicAxis,
): OnnxValueInfo | undefined {
  const [first] = infos as [OnnxValueInfo];
  const shapes = infos.map(shapeOf);
  const dim = (shapes[0] as readonly (number | string)[]).map((given, place) => {
    const seen = shapes.map((shape) => shape[place]);
    if (typeof given === 'string') return seen.every((each) => each === given) ? { dimParam: given } : undefined;
    const fitted = fitAffine(sizes, seen as number[]);
    if (fitted?.slope === 0) return { dimValue: fitted.offset };
    return fitted?.slope === 1 && fitted.offset === 0 ? { dimParam: axis.name } : undefined;
  });
  if (shapes.some((shape) => shape.length !== dim.length) || dim.some((each) => each === undefined)) return undefined;
  return { ...first, type: { tensorType: { ...first.type.tensorType, shape: { dim: dim as OnnxDimension[] } } } };
}

/** One model for any size of an axis out of models at several sizes; undefined when they follow no rule known here. */
function withDynamicAxis(
  models: readonly OnnxModel[],
  sizes: readonly number[],
  axis: DynamicAxis,
): OnnxModel | undefined {
  const aligned = alignGraphs(models);
  return aligned && generalized(aligned, sizes, axis);
}

function generalized(
  { models, uses }: AlignedGraphs,
  sizes: readonly number[],
  axis: DynamicAxis,
): OnnxModel | undefined {
  const [base] = models as [OnnxModel];
  const interfaces = (part: 'input' | 'output'): OnnxValueInfo[] | undefined => {
    const infos = base.graph[part].map((_, i) =>
      declared(
        models.map(({ graph }) => graph[part][i] as OnnxValueInfo),
        sizes,
        axis,
      ),
    );
    return infos.every((info) => info !== undefined) ? infos : undefined;
  };
  const input = interfaces('input');
  const output = interfaces('output');
  const source = input?.find((info) => shapeOf(info)[axis.axis] === axis.name);
  if (input === undefined || output === undefined || source === undefined) return undefined;
  const axisNodes = new AxisNodes(source.name, axis);
  const nodes = base.graph.node.map((node) => ({ ...node, input: [...node.input] }));
  for (const use of uses) {
    if (sameBytes(use.tensors)) continue;
    const reader = nodes[use.node] as (typeof nodes)[number];
    const name = generalizeConstant(use, reader, use.input, sizes, axisNodes);
    if (name === undefined) return undefined;
    reader.input[use.input] = name;
  }
  const node = [...axisNodes.nodes, ...nodes];
  const read = new Set(node.flatMap((each) => each.input));
  const initializer = [...base.graph.initializer, ...axisNodes.constants].filter(({ name }) => read.has(name));
  return { ...base, graph: { ...base.graph, node, input, output, initializer, valueInfo: [] } };
}

/**
 * A model for any sizes of some axes out of traces with fixed ones. The function is traced at three sizes of each axis;
 * whatever differs between the graphs (shapes of reshapes and repetitions, constants repeated for each post) follows the
 * size linearly, and is replaced by operations that compute it from the shape of an input.
 *
 * Shapes with a named size in the tracer would not be simpler. Most shapes are computed by tfjs itself before a kernel
 * is called (checks of arguments, reshapes with an inferred size, reductions in gradients), with numbers: a name would
 * not get through that code, and a number that stands for the name would have to be recognized in its results, which
 * is what the comparison of three traces does, in one place.
 * @param modelAt the function's graph at a size of each axis; undefined where the function takes no such size
 * @returns undefined when the graphs differ in another way, as they do for a function that divides by the number of posts
 */
export async function withDynamicAxes(
  axes: readonly DynamicAxis[],
  modelAt: (sizes: readonly number[]) => Promise<OnnxModel | undefined>,
): Promise<OnnxModel | undefined> {
  const outer = axes.at(-1);
  if (outer === undefined) return modelAt([]);
  for (const sizes of outer.sizes) {
    const models: OnnxModel[] = [];
    for (const size of sizes) {
      const model = await withDynamicAxes(axes.slice(0, -1), (inner) => modelAt([...inner, size]));
      if (model === undefined) break;
      models.push(model);
    }
    const model = models.length === sizes.length ? withDynamicAxis(models, sizes, outer) : undefined;
    if (model !== undefined) return model;
  }
  return undefined;
}
