import { fitAffineList, type Affine } from './affine.js';
import type { ConstantUse } from './align.js';
import type { AxisNodes } from './axis-nodes.js';
import { INT64, int64Numbers, type OnnxNode, type OnnxTensor } from './model.js';

/** Whether a constant is the same at every size. */
export function sameBytes(tensors: readonly OnnxTensor[]): boolean {
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
export function generalizeConstant(
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
