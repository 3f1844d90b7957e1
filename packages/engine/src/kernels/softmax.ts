import { normalizeAxes } from '../graph/shapes.js';
import { defineKernel, input, type Kernel } from './kernel.js';

function along(name: string, attribute: string): Kernel {
  return defineKernel<Readonly<Record<string, number>>>(name, (graph, inputs, attributes) => {
    const logits = input(inputs, 'logits');
    const [axis] = normalizeAxes([attributes[attribute] ?? -1], logits.shape.length) as [number];
    return graph.operation(name, [logits], logits.shape, logits.type, { axis });
  });
}

export const SOFTMAX_KERNELS: readonly Kernel[] = [along('Softmax', 'dim'), along('LogSoftmax', 'axis')];
