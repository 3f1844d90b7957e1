import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { apply, cast, choose, defineKernel, input, type Kernel, test } from './kernel.js';

/** tfjs kernels that are one ONNX operator of the same meaning, with a result of the operands' type. */
const ARITHMETIC: Readonly<Record<string, string>> = {
  Add: 'Add',
  Sub: 'Sub',
  Multiply: 'Mul',
  RealDiv: 'Div',
  Pow: 'Pow',
  Maximum: 'Max',
  Minimum: 'Min',
};

const TESTS: Readonly<Record<string, string>> = {
  Equal: 'Equal',
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
};

function binary(name: string, emit: (graph: Graph, a: Value, b: Value) => Value): Kernel {
  return defineKernel(name, (graph, inputs) => emit(graph, input(inputs, 'a'), input(inputs, 'b')), 'elementwise');
}

/** The remainder with the divisor's sign; ONNX gives it for whole numbers, and the dividend's sign for floats. */
function floorMod(graph: Graph, a: Value, b: Value): Value {
  if (a.type === 'int32') return apply(graph, 'Mod', [a, b]);
  const fmod = (x: Value, y: Value): Value => apply(graph, 'Mod', [x, y], { fmod: 1 });
  return fmod(apply(graph, 'Add', [fmod(a, b), b]), b);
}

/** Rounds towards −∞ to int32, as tfjs does for floats too; ONNX's division of whole numbers rounds towards 0. */
function floorDiv(graph: Graph, a: Value, b: Value): Value {
  if (a.type !== 'int32') return cast(graph, apply(graph, 'Floor', [apply(graph, 'Div', [a, b])]), 'int32');
  return apply(graph, 'Div', [apply(graph, 'Sub', [a, floorMod(graph, a, b)]), b]);
}

function squaredDifference(graph: Graph, a: Value, b: Value): Value {
  const difference = apply(graph, 'Sub', [a, b]);
  return apply(graph, 'Mul', [difference, difference]);
}

/** The angle of (x, y): atan(y/x), moved by ±π left of the y axis, and ±π/2 or 0 on it. */
function atan2(graph: Graph, y: Value, x: Value): Value {
  const angle = apply(graph, 'Atan', [apply(graph, 'Div', [y, x])]);
  const turn = choose(graph, test(graph, 'Less', [y, 0]), graph.scalar(-Math.PI), graph.scalar(Math.PI));
  const beside = choose(graph, test(graph, 'Less', [x, 0]), apply(graph, 'Add', [angle, turn]), angle);
  const above = apply(graph, 'Mul', [apply(graph, 'Sign', [y]), Math.PI / 2]);
  return choose(graph, test(graph, 'Equal', [x, 0]), above, beside);
}

export const BINARY_KERNELS: readonly Kernel[] = [
  ...Object.entries(ARITHMETIC).map(([name, operator]) =>
    binary(name, (graph, a, b) => apply(graph, operator, [a, b])),
  ),
  ...Object.entries(TESTS).map(([name, operator]) => binary(name, (graph, a, b) => test(graph, operator, [a, b]))),
  binary('NotEqual', (graph, a, b) => test(graph, 'Not', [test(graph, 'Equal', [a, b])])),
  binary('Mod', floorMod),
  binary('FloorDiv', floorDiv),
  binary('SquaredDifference', squaredDifference),
  binary('Atan2', atan2),
  defineKernel(
    'AddN',
    (graph, inputs) => Object.values(inputs).reduce((sum, each) => apply(graph, 'Add', [sum, each])),
    'elementwise',
  ),
];
