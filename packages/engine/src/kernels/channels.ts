import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';

/** [batch, height, width, channels] → [batch, channels, height, width], the layout of ONNX. */
const TO_CHANNELS_FIRST = [0, 3, 1, 2];
const TO_CHANNELS_LAST = [0, 2, 3, 1];

export type DataFormat = 'NHWC' | 'NCHW';

export function channelsFirst(graph: Graph, x: Value, format: DataFormat = 'NHWC'): Value {
  return format === 'NHWC' ? graph.transpose(x, TO_CHANNELS_FIRST) : x;
}

/** Back to the caller's layout. Where the next operation wants channels first, the two transpositions cancel. */
export function channelsBack(graph: Graph, x: Value, format: DataFormat = 'NHWC'): Value {
  return format === 'NHWC' ? graph.transpose(x, TO_CHANNELS_LAST) : x;
}
