import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { defineKernel, input, type Kernel } from './kernel.js';

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
  readonly size?: readonly [number, number];
}

type Weigh = (from: number, to: number, attributes: ResizeAttributes) => Float32Array;

function scaleOf(from: number, to: number, alignCorners: boolean): number {
  return alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
}

/** Row i of [to, from] holds what output i takes of each input, as tfjs interpolates linearly. */
const linearWeights: Weigh = (from, to, { alignCorners, halfPixelCenters }) => {
  const weights = new Float32Array(to * from);
  const scale = scaleOf(from, to, alignCorners);
  for (let i = 0; i < to; i++) {
    const place = halfPixelCenters ? scale * (i + 0.5) - 0.5 : scale * i;
    const below = Math.max(0, Math.floor(place));
    const above = Math.min(from - 1, Math.ceil(place));
    const share = Math.max(0, place - Math.floor(place));
    weights[i * from + below]! += 1 - share;
    weights[i * from + above]! += share;
  }
  return weights;
};

const nearestWeights: Weigh = (from, to, { alignCorners, halfPixelCenters }) => {
  const weights = new Float32Array(to * from);
  const scale = scaleOf(from, to, alignCorners);
  for (let i = 0; i < to; i++) {
    const place = halfPixelCenters ? scale * (i + 0.5) : scale * i;
    const nearest = Math.min(from - 1, alignCorners ? Math.round(place) : Math.floor(place));
    weights[i * from + Math.max(0, nearest)] = 1;
  }
  return weights;
};

/** Multiplies along height and along width: [batch, height, width, channels] → [batch, rows, columns, channels]. */
function multiplyBoth(graph: Graph, x: Value, rows: Value, columns: Value): Value {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const [tall, wide] = [rows.shape[0] as number, columns.shape[0] as number];
  const flat = graph.reshape(x, [batch, height, width * channels]);
  const stretched = graph.operation('MatMul', [rows, flat], [batch, tall, width * channels], 'float32');
  const lines = graph.reshape(stretched, [batch * tall, width, channels]);
  const image = graph.operation('MatMul', [columns, lines], [batch * tall, wide, channels], 'float32');
  return graph.reshape(image, [batch, tall, wide, channels]);
}

function resize(name: string, weigh: Weigh): Kernel {
  return defineKernel<ResizeAttributes>(name, (graph, inputs, attributes) => {
    const images = input(inputs, 'images');
    const [, height, width] = images.shape as [number, number, number, number];
    const [tall, wide] = attributes.size as [number, number];
    const rows = graph.constant(weigh(height, tall, attributes), [tall, height], 'float32');
    const columns = graph.constant(weigh(width, wide, attributes), [wide, width], 'float32');
    return multiplyBoth(graph, images, rows, columns);
  });
}

/** Resizing is linear, so its gradient multiplies by the transposed weights. */
function resizeGradient(name: string, weigh: Weigh): Kernel {
  return defineKernel<ResizeAttributes>(name, (graph, inputs, attributes) => {
    const [, height, width] = input(inputs, 'images').shape as [number, number, number, number];
    const dy = input(inputs, 'dy');
    const [, tall, wide] = dy.shape as [number, number, number, number];
    const given = { ...attributes, halfPixelCenters: attributes.halfPixelCenters === true };
    const rows = graph.constant(weigh(height, tall, given), [tall, height], 'float32');
    const columns = graph.constant(weigh(width, wide, given), [wide, width], 'float32');
    return multiplyBoth(graph, dy, graph.transpose(rows, [1, 0]), graph.transpose(columns, [1, 0]));
  });
}

export const RESIZING_KERNELS: readonly Kernel[] = [
  resize('ResizeBilinear', linearWeights),
  resizeGradient('ResizeBilinearGrad', linearWeights),
  resize('ResizeNearestNeighbor', nearestWeights),
  resizeGradient('ResizeNearestNeighborGrad', nearestWeights),
];
