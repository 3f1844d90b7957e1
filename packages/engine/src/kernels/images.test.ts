import * as tf from '@tensorflow/tfjs';
import { describeKernels, type KernelCase } from './kernel.contract.js';

type Image = tf.Tensor4D;
const pads = ['same', 'valid', 1] as const;

const convolutions: KernelCase[] = pads.flatMap((pad) =>
  [1, 2].flatMap((stride) => [
    {
      name: `conv2d ${pad}, stride ${stride}`,
      run: (x: Image, filter: Image) => tf.conv2d(x, filter, stride, pad),
      inputs: [
        [2, 5, 6, 3],
        [3, 2, 3, 4],
      ],
    },
    {
      name: `depthwiseConv2d ${pad}, stride ${stride}`,
      run: (x: Image, filter: Image) => tf.depthwiseConv2d(x, filter, stride, pad),
      inputs: [
        [2, 5, 6, 3],
        [3, 2, 3, 2],
      ],
    },
    {
      name: `maxPool ${pad}, stride ${stride}`,
      run: (x: Image) => tf.maxPool(x, [3, 2], stride, pad),
      inputs: [[2, 5, 6, 3]],
    },
    {
      name: `avgPool ${pad}, stride ${stride}`,
      run: (x: Image) => tf.avgPool(x, [3, 2], stride, pad),
      inputs: [[2, 5, 6, 3]],
    },
  ]),
);

const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const;
const gradients: readonly string[] = ['linear', 'relu', 'relu6'];

const fused: KernelCase[] = activations.flatMap((activation) => {
  const gradient = gradients.includes(activation) ? {} : { gradient: 'tfjs has none for this activation' };
  return [
    {
      name: `fused conv2d with ${activation}`,
      run: (x: Image, filter: Image, bias: tf.Tensor) =>
        tf.fused.conv2d({ x, filter, bias, strides: 2, pad: 'same', activation, leakyreluAlpha: 0.1 }),
      inputs: [[1, 5, 6, 3], [3, 3, 3, 4], [4]],
      ...gradient,
    },
    {
      name: `fused depthwiseConv2d with ${activation}`,
      run: (x: Image, filter: Image, bias: tf.Tensor) =>
        tf.fused.depthwiseConv2d({ x, filter, bias, strides: 1, pad: 'same', activation, leakyreluAlpha: 0.1 }),
      inputs: [[1, 5, 6, 3], [3, 3, 3, 1], [3]],
      ...gradient,
    },
  ];
});

const others: KernelCase[] = [
  {
    name: 'conv2d with dilation',
    run: (x: Image, f: Image) => tf.conv2d(x, f, 1, 'same', 'NHWC', 2),
    inputs: [
      [1, 6, 6, 2],
      [3, 3, 2, 2],
    ],
    gradient: 'tfjs has none with dilation',
  },
  {
    name: 'depthwiseConv2d with dilation',
    run: (x: Image, f: Image) => tf.depthwiseConv2d(x, f, 1, 'valid', 'NHWC', 2),
    inputs: [
      [1, 6, 6, 2],
      [3, 3, 2, 1],
    ],
    gradient: 'tfjs checks the shape without dilation',
  },
  { name: 'conv2d with explicit padding', run: ((x: Image, f: Image) => tf.conv2d(x, f, 1, [[0, 0], [1, 0], [0, 2], [0, 0]])), inputs: [[1, 4, 4, 2], [2, 2, 2, 3]] }, // prettier-ignore
  {
    name: 'conv2d of 1 × 1',
    run: (x: Image, f: Image) => tf.conv2d(x, f, 1, 'valid'),
    inputs: [
      [2, 3, 3, 4],
      [1, 1, 4, 2],
    ],
  },
  {
    name: 'conv2dTranspose',
    run: (x: Image, f: Image) => tf.conv2dTranspose(x, f, [1, 6, 6, 2], 2, 'same'),
    inputs: [
      [1, 3, 3, 3],
      [3, 3, 2, 3],
    ],
  },
  {
    name: 'conv1d',
    run: (x: tf.Tensor3D, f: tf.Tensor3D) => tf.conv1d(x, f, 1, 'same'),
    inputs: [
      [2, 6, 3],
      [3, 3, 2],
    ],
  },
  {
    name: 'separableConv2d',
    run: (x: Image, d: Image, p: Image) => tf.separableConv2d(x, d, p, 1, 'same'),
    inputs: [
      [1, 4, 4, 2],
      [3, 3, 2, 1],
      [1, 1, 2, 3],
    ],
  },
  {
    name: 'batchNorm',
    run: (x: Image, mean: tf.Tensor1D, variance: tf.Tensor1D, offset: tf.Tensor1D, scale: tf.Tensor1D) =>
      tf.batchNorm(x, mean, variance, offset, scale),
    inputs: [[2, 3, 3, 4], [4], { shape: [4], low: 0.5, high: 2 }, [4], [4]],
  },
  {
    name: 'batchNorm of rank 2 without scale',
    run: (x: tf.Tensor2D, mean: tf.Tensor1D, variance: tf.Tensor1D) => tf.batchNorm(x, mean, variance),
    inputs: [[3, 4], [4], { shape: [4], low: 0.5, high: 2 }],
    gradient: 'tfjs needs a scale',
  },
  {
    name: 'layer normalization',
    run: (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5))), scale), offset);
    },
    inputs: [[2, 3, 8], [8], [8]],
  },
  ...[false, true].flatMap((align) => [
    {
      name: `resizeBilinear, align corners ${align}`,
      run: (x: Image) => [tf.image.resizeBilinear(x, [5, 7], align), tf.image.resizeBilinear(x, [2, 2], align)],
      inputs: [[2, 4, 4, 2]],
    },
    {
      name: `resizeNearestNeighbor, align corners ${align}`,
      run: (x: Image) => tf.image.resizeNearestNeighbor(x, [5, 7], align),
      inputs: [[1, 4, 4, 2]],
    },
  ]),
  {
    name: 'resizeBilinear from half pixels',
    run: (x: Image) => tf.image.resizeBilinear(x, [5, 7], false, true),
    inputs: [[2, 3, 4, 2]],
    gradient: 'tfjs forgets about the half pixels',
  },
  {
    name: 'inverted residual block',
    run: (x: Image, expand: Image, depth: Image, project: Image, scale: tf.Tensor1D) => {
      const normal = (y: Image): Image => tf.batchNorm(y, tf.zeros([6]), tf.ones([6]), tf.zeros([6]), scale) as Image;
      const wide = tf.clipByValue<Image>(tf.relu(normal(tf.conv2d(x, expand, 1, 'same'))), 0, 6);
      const deep = tf.relu6<Image>(normal(tf.depthwiseConv2d(wide, depth, 1, 'same')));
      return tf.mean(tf.add(x, tf.conv2d(deep, project, 1, 'same')), [1, 2]);
    },
    inputs: [[2, 4, 4, 2], [1, 1, 2, 6], [3, 3, 6, 1], [1, 1, 6, 2], [6]],
  },
];

describeKernels('convolution and pooling', convolutions);
describeKernels('fused convolution', fused);
describeKernels('images and normalization', others);
