import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { apply, choose, defineKernel, input, type Kernel, test } from './kernel.js';

/** tfjs kernels that are the ONNX operator of the same name. */
const DIRECT =
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Floor Log Neg Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Sqrt Tan Tanh';

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

/** The activation inside tfjs's fused kernels. */
export interface ActivationAttributes {
  readonly activation?: 'linear' | 'relu' | 'relu6' | 'elu' | 'prelu' | 'leakyrelu' | 'sigmoid';
  readonly leakyreluAlpha?: number;
}

/** @param alpha the weights of `prelu` */
export function activate(
  graph: Graph,
  x: Value,
  { activation, leakyreluAlpha }: ActivationAttributes,
  alpha: Value | undefined,
): Value {
  switch (activation) {
    case 'relu':
      return apply(graph, 'Relu', [x]);
    case 'relu6':
      return apply(graph, 'Clip', [x, 0, 6]);
    case 'elu':
      return apply(graph, 'Elu', [x]);
    case 'sigmoid':
      return apply(graph, 'Sigmoid', [x]);
    case 'leakyrelu':
      return apply(graph, 'LeakyRelu', [x], { alpha: { float: leakyreluAlpha ?? 0.2 } });
    case 'prelu':
      return apply(graph, 'PRelu', [x, alpha as Value]);
    default:
      return x;
  }
}

export const UNARY_KERNELS: readonly Kernel[] = [
  ...DIRECT.split(' ').map((name) => unary(name, (graph, x) => apply(graph, name, [x]))),
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
