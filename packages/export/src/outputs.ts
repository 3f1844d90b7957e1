import { PAIRS } from '@drf/fusion';
import { drfForm, type ExperimentConfig } from '@drf/experiment';
import { BATCH_AXIS } from './onnx/symbolic-batch.js';
import { ELEMENT_TYPES, shapeOf, type OnnxModel, type OnnxValueInfo } from './onnx/model.js';

/** An input or output as the card describes it. */
export interface CardTensor {
  readonly name: string;
  readonly dtype: string;
  /** Sizes; `batch` stands for any number of posts. */
  readonly shape: readonly (number | string)[];
  readonly meaning: string;
}

const DENSITIES = {
  Image: "the image feature against the image queue's distribution; means nothing where the image is missing",
  Text: "the text feature against the text queue's distribution; means nothing where the text is missing",
  RecoveredText: "the text recovered from the image, against the text queue's; means nothing without the image",
  RecoveredImage: "the image recovered from the text, against the image queue's; means nothing without the text",
} as const;

function densityMeanings(): [string, string][] {
  return Object.entries(DENSITIES).flatMap(([feature, against]): [string, string][] => [
    [`relativeDensity${feature}`, `quality, exp(−‖f − μ‖² / 2σ²), from 0 to 1: ${against}`],
    [`density${feature}`, `Eq. 9, exp(−‖f − μ‖² / 2σ²) / (√(2π)·σ): ${against}`],
  ]);
}

/** What each output means, by name. */
function outputMeanings(config: ExperimentConfig): Map<string, string> {
  const pairs = config.model.ablations.pairExpansion ? PAIRS.join(', ') : 'the original pair, filled by recovery';
  const weighed = config.method === 'drf' ? 'by the gate' : `by "${drfForm(config).weighting}"`;
  return new Map([
    ['probabilities', 'of the labels, in their order; each row sums to 1'],
    ['logits', 'scores of the labels before softmax'],
    ...densityMeanings(),
    ...(['Image', 'Text'] as const).map((name): [string, string] => [
      `logDensity${name}`,
      config.method === 'drf'
        ? `quality, the logarithm of a low-rank Gaussian's density but for a constant: the encoder's output among intact ones`
        : `the logarithm of relativeDensity${name}, which can be too small for a float32`,
    ]),
    ['pairWeights', `weights of the pairs (${pairs}) ${weighed}; 0 where a pair does not exist`],
    ['recoveredText', 'the text feature recovered from the image; means nothing without the image'],
    ['recoveredImage', 'the image feature recovered from the text; means nothing without the text'],
  ]);
}

function described(infos: readonly OnnxValueInfo[], meanings: ReadonlyMap<string, string>): CardTensor[] {
  return infos.map((info) => ({
    name: info.name,
    dtype: ELEMENT_TYPES[info.type.tensorType.elemType as keyof typeof ELEMENT_TYPES],
    shape: shapeOf(info),
    meaning: meanings.get(info.name) ?? '',
  }));
}

/** A model's interface as it stands in its file. @param inputs meanings of the inputs, by name */
export function describeInterface(
  { graph, opsetImport, irVersion }: OnnxModel,
  inputs: ReadonlyMap<string, string>,
  config: ExperimentConfig,
) {
  const [first] = graph.input as [OnnxValueInfo];
  const batch = shapeOf(first)[0] as number | string;
  return {
    opset: opsetImport[0]?.version ?? 0,
    irVersion,
    batch: batch === BATCH_AXIS ? 'any' : batch,
    inputs: described(graph.input, inputs),
    outputs: described(graph.output, outputMeanings(config)),
  };
}

export type CardInterface = ReturnType<typeof describeInterface>;
