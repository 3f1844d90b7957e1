import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { apply, choose, test } from './build.js';
import { defineKernel, input, type Kernel } from './kernel.js';

/** tfjs kernels that are one ONNX operator of the same meaning. */
const DIRECT: Readonly<Record<string, string>> = {
  Abs: 'Abs',
  Acos: 'Acos',
  Acosh: 'Acosh',
  Asin: 'Asin',
  Asinh: 'Asinh',
  Atan: 'Atan',
  Atanh: 'Atanh',
  Ceil: 'Ceil',
  Cos: 'Cos',
  Cosh: 'Cosh',
  Elu: 'Elu',
  Erf: 'Erf',
  Exp: 'Exp',
  Floor: 'Floor',
  Log: 'Log',
  Neg: 'Neg',
  Reciprocal: 'Reciprocal',
  Relu: 'Relu',
  Round: 'Round',
  Selu: 'Selu',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Sin: 'Sin',
  Sinh: 'Sinh',
  Softplus: 'Softplus',
  Sqrt: 'Sqrt',
  Tan: 'Tan',
  Tanh: 'Tanh',
};

function unary<Attributes extends object = object>(
  name: string,
  emit: (graph: Graph, x: Value, attributes: Attributes) => Value,
): Kernel {
  return defineKernel<Attributes>(
    name,
    (graph, inputs, attributes) => emit(graph, input(inputs, 'x'), attributes),
    'elementwise',
  );
}

/** exp(x) − 1 = tanh(x/2) · (exp(x) + 1), which keeps its digits near 0. */
function expm1(graph: Graph, x: Value): Value {
  const tanh = apply(graph, 'Tanh', [apply(graph, 'Mul', [x, 0.5])]);
  return apply(graph, 'Mul', [tanh, apply(graph, 'Add', [apply(graph, 'Exp', [x]), 1])]);
}

/** log(1 + x) = log(u) · x / (u − 1) with u = 1 + x, and x itself where u rounds to 1 (Kahan). */
function log1p(graph: Graph, x: Value): Value {
  const sum = apply(graph, 'Add', [x, 1]);
  const ratio = apply(graph, 'Div', [x, apply(graph, 'Sub', [sum, 1])]);
  return choose(graph, test(graph, 'Equal', [sum, 1]), x, apply(graph, 'Mul', [apply(graph, 'Log', [sum]), ratio]));
}

function step(graph: Graph, x: Value, { alpha }: { readonly alpha?: number }): Value {
  return choose(graph, test(graph, 'Greater', [x, 0]), graph.scalar(1, x.type), graph.scalar(alpha ?? 0, x.type));
}

function isFinite(graph: Graph, x: Value): Value {
  return test(graph, 'Not', [test(graph, 'Or', [test(graph, 'IsNaN', [x]), test(graph, 'IsInf', [x])])]);
}

function eluGradient(graph: Graph, dy: Value, y: Value): Value {
  const below = apply(graph, 'Mul', [dy, apply(graph, 'Add', [y, 1])]);
  return choose(graph, test(graph, 'GreaterOrEqual', [y, 0]), dy, below);
}

export const UNARY_KERNELS: readonly Kernel[] = [
  ...Object.entries(DIRECT).map(([name, operator]) => unary(name, (graph, x) => apply(graph, operator, [x]))),
  unary('Expm1', expm1),
  unary('Log1p', log1p),
  unary('Step', step),
  unary('Square', (graph, x) => apply(graph, 'Mul', [x, x])),
  unary('Rsqrt', (graph, x) => apply(graph, 'Reciprocal', [apply(graph, 'Sqrt', [x])])),
  unary('Relu6', (graph, x) => apply(graph, 'Clip', [x, 0, 6])),
  unary<{ clipValueMin: number; clipValueMax: number }>('ClipByValue', (graph, x, { clipValueMin, clipValueMax }) =>
    apply(graph, 'Clip', [x, clipValueMin, clipValueMax]),
  ),
  unary<{ alpha: number }>('LeakyRelu', (graph, x, { alpha }) =>
    apply(graph, 'LeakyRelu', [x], { alpha: { float: alpha } }),
  ),
  unary('LogicalNot', (graph, x) => test(graph, 'Not', [x])),
  unary('IsNan', (graph, x) => test(graph, 'IsNaN', [x])),
  unary('IsInf', (graph, x) => test(graph, 'IsInf', [x])),
  unary('IsFinite', isFinite),
  defineKernel(
    'Prelu',
    (graph, inputs) => apply(graph, 'PRelu', [input(inputs, 'x'), input(inputs, 'alpha')]),
    'elementwise',
  ),
  defineKernel(
    'EluGrad',
    (graph, inputs) => eluGradient(graph, input(inputs, 'dy'), input(inputs, 'y')),
    'elementwise',
  ),
];
