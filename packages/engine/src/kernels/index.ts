import { afterKernel } from './after.js';
import { BINARY_KERNELS } from './binary.js';
import { CONVOLUTION_KERNELS } from './convolution.js';
import { CONVOLUTION_GRADIENT_KERNELS } from './convolution-gradients.js';
import { GATHERING_KERNELS } from './gathering.js';
import type { Kernel } from './kernel.js';
import { LAYOUT_KERNELS } from './layout.js';
import { MATMUL_KERNELS } from './matmul.js';
import { NORMALIZATION_KERNELS } from './normalization.js';
import { PADDING_KERNELS } from './padding.js';
import { POOLING_KERNELS } from './pooling.js';
import { REDUCTION_KERNELS } from './reductions.js';
import { RESIZING_KERNELS } from './resizing.js';
import { SELECT_KERNELS } from './select.js';
import { SLICING_KERNELS } from './slicing.js';
import { SOFTMAX_KERNELS } from './softmax.js';
import { UNARY_KERNELS } from './unary.js';

/** Every tfjs kernel that a traced function may use. */
export const KERNELS: readonly Kernel[] = [
  ...UNARY_KERNELS,
  ...BINARY_KERNELS,
  ...SELECT_KERNELS,
  ...REDUCTION_KERNELS,
  ...SOFTMAX_KERNELS,
  ...MATMUL_KERNELS,
  ...LAYOUT_KERNELS,
  ...SLICING_KERNELS,
  ...PADDING_KERNELS,
  ...GATHERING_KERNELS,
  ...CONVOLUTION_KERNELS,
  ...CONVOLUTION_GRADIENT_KERNELS,
  ...POOLING_KERNELS,
  ...NORMALIZATION_KERNELS,
  ...RESIZING_KERNELS,
  afterKernel,
];
