// Makes golden files of any size for tests, from the double-precision reference, gradients by finite differences.
import { createRandom } from '@drf/tensor';
import {
  density,
  numbersOf,
  referenceGradients,
  referenceStep,
  type Layer,
  type Matrix,
  type ReferenceInputs,
  type ReferenceParameters,
  type Row,
} from '@drf/model/testing';

export interface GoldenSizes {
  readonly seed: number;
  readonly batch: number;
  readonly dim: number;
  readonly hidden: number;
  readonly queue: number;
  readonly classes: number;
}

export type GoldenContent = { [name: string]: unknown };

const ADAMW = { learningRate: 2e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, step: 1 };

export function makeGolden({ seed, batch, dim, hidden, queue, classes }: GoldenSizes): GoldenContent {
  const random = createRandom(seed);
  const row = (size: number, scale: number, mean = 0): Row =>
    Array.from({ length: size }, () => mean + scale * random.normal());
  const matrix = (rows: number, size: number, scale: number, mean = 0): Matrix =>
    Array.from({ length: rows }, () => row(size, scale, mean));
  const layer = (inputs: number, outputs: number): Layer => ({
    kernel: matrix(inputs, outputs, 1 / Math.sqrt(inputs)),
    bias: row(outputs, 0.1),
  });
  const converter = (): { hidden: Layer; output: Layer } => ({
    hidden: layer(dim, hidden),
    output: layer(hidden, dim),
  });
  const parameters: ReferenceParameters = {
    imageToText: converter(),
    textToImage: converter(),
    fusion: { layer1: layer(2 * dim, hidden), layer2: layer(hidden, hidden), layer3: layer(hidden, dim) },
    classifier: layer(dim, classes),
  };
  const inputs: ReferenceInputs = {
    image: matrix(batch, dim, 1, 0.5),
    text: matrix(batch, dim, 1, -0.5),
    imageAvailable: Array.from({ length: batch }, (_, post) => (post % 4 === 1 ? 0 : 1)),
    textAvailable: Array.from({ length: batch }, (_, post) => (post % 4 === 2 ? 0 : 1)),
    labels: Array.from({ length: batch }, (_, post) => post % classes),
    imageQueue: matrix(queue, dim, 1, 0.5),
    textQueue: matrix(queue, dim, 1, -0.5),
  };
  const step = referenceStep(inputs, parameters, { weighting: 'density' });
  const losses = Object.fromEntries(Object.entries(step.parts).filter(([name]) => name !== 'classification'));
  const nothing = new Array<number>(dim).fill(0);
  return {
    seed,
    shapes: { batch, dim, queue, classes, hidden },
    inputs,
    params: flat(parameters),
    imageStats: step.imageStats,
    textStats: step.textStats,
    density: {
      image: step.posts.map(({ image }) => (image ? density(image, step.imageStats) : 0)),
      text: step.posts.map(({ text }) => (text ? density(text, step.textStats) : 0)),
      recoveredText: step.posts.map(({ recoveredText: r }) => (r ? density(r, step.textStats) : 0)),
      recoveredImage: step.posts.map(({ recoveredImage: r }) => (r ? density(r, step.imageStats) : 0)),
    },
    recovered: {
      text: step.posts.map(({ recoveredText }) => recoveredText ?? nothing),
      image: step.posts.map(({ recoveredImage }) => recoveredImage ?? nothing),
    },
    convertedStats: step.convertedStats,
    losses: {
      ...losses,
      recovery: Object.entries(losses).reduce((sum, [name, value]) => (name === 'distribution' ? sum : sum + value), 0),
    },
    fusedPairs: step.fusedPairs.map((pairs) => pairs.map((pair) => pair ?? nothing)),
    modes: Object.fromEntries(
      (['density', 'relative', 'normalized'] as const).map((mode) => [mode, modeOf(inputs, parameters, mode)]),
    ),
    enqueue: enqueueOf(inputs),
  };
}

function flat(tree: object): { [name: string]: Row | Matrix } {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([name, value]: [string, object]) =>
      Array.isArray(value)
        ? [[name, value as Row | Matrix]]
        : Object.entries(flat(value)).map(([inner, leaf]) => [`${name}.${inner}`, leaf]),
    ),
  ) as { [name: string]: Row | Matrix };
}

/** Numbers in the nesting of another array. */
function shapedLike(shape: Row | Matrix, numbers: Row): Row | Matrix {
  if (!Array.isArray(shape[0])) return numbers;
  const width = shape[0].length;
  return shape.map((_, i) => numbers.slice(i * width, (i + 1) * width));
}

function modeOf(
  inputs: ReferenceInputs,
  parameters: ReferenceParameters,
  weighting: 'density' | 'relative' | 'normalized',
): GoldenContent {
  const { weights, fused, logits, probabilities, parts, total } = referenceStep(inputs, parameters, { weighting });
  const gradients = referenceGradients(inputs, parameters, { weighting });
  const leaves = flat({ ...parameters, image: inputs.image, text: inputs.text });
  const shaped = Object.entries(leaves).map(([name, leaf]) => [name, shapedLike(leaf, gradients.get(name) as Row)]);
  const updated = structuredClone(parameters);
  for (const { name, index, row, at } of numbersOf(updated)) {
    const slope = gradients.get(name)?.[index] as number;
    const decay = name.endsWith('kernel') ? ADAMW.weightDecay * (row[at] as number) : 0;
    // at step 1 the corrected moments are the gradient and its square
    row[at] = (row[at] as number) - ADAMW.learningRate * (slope / (Math.abs(slope) + ADAMW.epsilon) + decay);
  }
  return {
    weights,
    fused,
    logits,
    probabilities,
    classification: parts.classification,
    total,
    gradients: Object.fromEntries(shaped) as GoldenContent,
    adamw: { ...ADAMW, params: flat(updated) },
  };
}

/** Eq. 13. */
function enqueueOf(inputs: ReferenceInputs): GoldenContent {
  const step = (modality: 'image' | 'text'): GoldenContent => {
    const queue = inputs[`${modality}Queue`];
    const mean = (queue[0] as Row).map(
      (_, i) => queue.reduce((sum, row) => sum + (row[i] as number), 0) / queue.length,
    );
    const apart = (row: Row): number => row.reduce((sum, x, i) => sum + (x - (mean[i] as number)) ** 2, 0);
    const std = Math.sqrt(queue.reduce((sum, row) => sum + apart(row), 0) / queue.length);
    const threshold = queue.reduce((sum, row) => sum + density(row, { mean, std }), 0) / queue.length;
    const accepted = inputs[modality].map(
      (row, post) => inputs[`${modality}Available`][post] === 1 && density(row, { mean, std }) > threshold,
    );
    const after = [...queue, ...inputs[modality].filter((_, post) => accepted[post])].slice(-queue.length);
    return { [`${modality}Threshold`]: threshold, [`${modality}Accepted`]: accepted, [`${modality}QueueAfter`]: after };
  };
  return { ...step('image'), ...step('text') };
}
