import { UnavailableError } from '@drf/tensor';
import { fitAffine } from './affine.js';
import { alignGraphs, type AlignedGraphs } from './align.js';
import { AxisNodes, type SymbolicAxis } from './axis-nodes.js';
import { generalizeConstant, sameBytes } from './generalize-constant.js';
import { decodeModel, shapeOf, type OnnxDimension, type OnnxModel, type OnnxValueInfo } from './model.js';

/** Name of the batch axis in the file. */
export const BATCH_AXIS = 'batch';

/**
 * Batch sizes to trace at, three at a time. Primes that few widths share, so that sizes which mean different things
 * seldom coincide; where they do, the next three are tried.
 */
const BATCH_SIZES: readonly (readonly number[])[] = [
  [11, 13, 17],
  [19, 23, 29],
  [67, 71, 73],
];

/** A declared input or output with the axis named where it has it. */
function declared(
  infos: readonly OnnxValueInfo[],
  sizes: readonly number[],
  axis: SymbolicAxis,
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
export function withSymbolicAxis(
  models: readonly OnnxModel[],
  sizes: readonly number[],
  axis: SymbolicAxis,
): OnnxModel | undefined {
  const aligned = alignGraphs(models);
  return aligned && generalized(aligned, sizes, axis);
}

function generalized(
  { models, uses }: AlignedGraphs,
  sizes: readonly number[],
  axis: SymbolicAxis,
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
  return { ...base, graph: { ...base.graph, node, input, output, initializer } };
}

/**
 * A model for any batch size out of traces with fixed ones. The function is traced at three batch sizes; whatever
 * differs between the three files (shapes of reshapes and repetitions, constants repeated for each post) follows the
 * batch size linearly, and is replaced by operations that compute it from the batch size of an input.
 *
 * Shapes with a named size in the tracer would not be simpler. Most shapes are computed by tfjs itself before a kernel
 * is called (checks of arguments, reshapes with an inferred size, reductions in gradients), with numbers: a name would
 * not get through that code, and a number that stands for the name would have to be recognized in its results, which
 * is what the comparison of three traces does, in one place.
 * @param traceAt the function's file at a batch size
 * @throws UnavailableError when the files differ in another way, as they do for a function that
 *   divides by the number of posts
 */
export function withSymbolicBatch(traceAt: (batch: number) => Uint8Array): OnnxModel {
  for (const batches of BATCH_SIZES) {
    const models = batches.map((batch) => decodeModel(traceAt(batch)));
    const model = withSymbolicAxis(models, batches, { name: BATCH_AXIS, axis: 0 });
    if (model !== undefined) return model;
  }
  throw new UnavailableError({
    subject: 'withSymbolicBatch',
    expected: 'a function whose graph depends on the batch size by shapes alone',
    received: 'graphs that differ in other ways',
    remedy: 'export for one batch size with --batch N',
  });
}

/** Name of the axis of a text's tokens. */
export const LENGTH_AXIS = 'sequence';

/** Lengths of texts to trace at; unlike the batch sizes, and seldom a model's width. */
const LENGTHS: readonly (readonly number[])[] = [
  [5, 7, 21],
  [31, 37, 41],
  [47, 53, 59],
  [5, 7, 9],
];

/**
 * {@link withSymbolicBatch} for inputs whose second axis, the length of texts, differs from call to call, too.
 * @param longest most tokens that the function takes
 * @throws UnavailableError as withSymbolicBatch, and when the function takes no length that could be tried
 */
export function withSymbolicBatchAndLength(
  traceAt: (batch: number, length: number) => Uint8Array,
  longest: number,
): OnnxModel {
  for (const lengths of LENGTHS.filter((each) => Math.max(...each) <= longest)) {
    const models = lengths.map((length) => withSymbolicBatch((batch) => traceAt(batch, length)));
    const model = withSymbolicAxis(models, lengths, { name: LENGTH_AXIS, axis: 1 });
    if (model !== undefined) return model;
  }
  throw new UnavailableError({
    subject: 'withSymbolicBatchAndLength',
    expected: 'a function whose graph depends on the length of texts by shapes alone, and that takes 9 tokens or more',
    received: `graphs that differ in other ways, or at most ${longest} tokens`,
  });
}
