import { UnavailableError } from '@drf/tensor';
import { fitAffineList } from './affine.js';
import { alignGraphs, type AlignedGraphs } from './align.js';
import { BatchNodes } from './batch-nodes.js';
import { generalizeConstant, sameBytes } from './generalize-constant.js';
import { shapeOf, type OnnxModel, type OnnxValueInfo } from './model.js';

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

/** A declared input or output with its batch axis named. */
function declared(infos: readonly OnnxValueInfo[], batches: readonly number[]): OnnxValueInfo | undefined {
  const [first] = infos as [OnnxValueInfo];
  const shape = fitAffineList(
    batches,
    infos.map((info) => shapeOf(info) as number[]),
  );
  if (shape === undefined) return undefined;
  if (shape.some(({ slope, offset }) => slope !== 0 && (slope !== 1 || offset !== 0))) return undefined;
  const dim = shape.map(({ slope, offset }) => (slope === 1 ? { dimParam: BATCH_AXIS } : { dimValue: offset }));
  return { ...first, type: { tensorType: { ...first.type.tensorType, shape: { dim } } } };
}

function generalized({ models, uses }: AlignedGraphs, batches: readonly number[]): OnnxModel | undefined {
  const [base] = models as [OnnxModel];
  const interfaces = (part: 'input' | 'output'): OnnxValueInfo[] | undefined => {
    const infos = base.graph[part].map((_, i) =>
      declared(
        models.map(({ graph }) => graph[part][i] as OnnxValueInfo),
        batches,
      ),
    );
    return infos.every((info) => info !== undefined) ? infos : undefined;
  };
  const input = interfaces('input');
  const output = interfaces('output');
  const source = input?.find((info) => shapeOf(info)[0] === BATCH_AXIS);
  if (input === undefined || output === undefined || source === undefined) return undefined;
  const batchNodes = new BatchNodes(source.name);
  const nodes = base.graph.node.map((node) => ({ ...node, input: [...node.input] }));
  for (const use of uses) {
    if (sameBytes(use.tensors)) continue;
    const reader = nodes[use.node] as (typeof nodes)[number];
    const name = generalizeConstant(use, reader, use.input, batches, batchNodes);
    if (name === undefined) return undefined;
    reader.input[use.input] = name;
  }
  const node = [...batchNodes.nodes, ...nodes];
  const read = new Set(node.flatMap((each) => each.input));
  const initializer = [...base.graph.initializer, ...batchNodes.constants].filter(({ name }) => read.has(name));
  return { ...base, graph: { ...base.graph, node, input, output, initializer } };
}

/**
 * A model for any batch size out of traces with fixed ones. The function is traced at three batch sizes; whatever
 * differs between the three files (shapes of reshapes and repetitions, constants repeated for each post) follows the
 * batch size linearly, and is replaced by operations that compute it from the batch size of an input.
 * @param traceAt the function's file at a batch size
 * @throws UnavailableError when the files differ in another way, as they do for a function that
 *   divides by the number of posts
 */
export function withSymbolicBatch(traceAt: (batch: number) => Uint8Array): OnnxModel {
  for (const batches of BATCH_SIZES) {
    const aligned = alignGraphs(batches.map(traceAt));
    const model = aligned && generalized(aligned, batches);
    if (model !== undefined) return model;
  }
  throw new UnavailableError({
    subject: 'withSymbolicBatch',
    expected: 'a function whose graph depends on the batch size by shapes alone',
    received: 'graphs that differ in other ways',
    remedy: 'export for one batch size with --batch N',
  });
}
