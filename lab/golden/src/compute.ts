import * as tf from '@tensorflow/tfjs';
import { distributionStatistics, gaussianDensity, acceptedRows, FeatureQueue } from '@drf/distribution';
import type { WeightingMode } from '@drf/fusion';
import {
  adamW,
  biasCorrections,
  drfConfig,
  drfLoss,
  initialMoments,
  learningRateGroup,
  valueAndGradients,
  type AdamWMoments,
  type BatchInputs,
  type DrfMemoryInputs,
} from '@drf/model';
import {
  flattenTree,
  floatData,
  hostScalar,
  hostTensor,
  unflattenTree,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type PerPost,
  type TensorTree,
} from '@drf/tensor';
import type { AdamWSettings, GoldenFile } from './golden-file.js';

type StepInputs = {
  readonly batch: BatchInputs;
  readonly labels: PerPost;
  readonly memory: DrfMemoryInputs;
  readonly parameters: TensorTree;
  readonly moments: AdamWMoments;
};

/** Every quantity of a golden file as this code computes it, by its path in the file. */
export async function computeQuantities(golden: GoldenFile, engine: Engine): Promise<Map<string, number[]>> {
  const quantities = new Map<string, number[]>();
  const queue = (name: 'imageQueue' | 'textQueue'): FeatureQueue => {
    const rows = golden.inputs[name] as HostTensor;
    const filled = new FeatureQueue({ capacity: rows.shape[0] as number, dim: rows.shape[1] as number });
    filled.enqueue(rows);
    return filled;
  };
  const queues = { image: queue('imageQueue'), text: queue('textQueue') };
  const inputs = stepInputs(golden, queues);
  const run = async (mode: WeightingMode): Promise<Map<string, HostTensor>> => {
    const program = await engine.prepare(
      (_constants: TensorTree, tensors: StepInputs) => stepQuantities(mode, golden.adamW, tensors),
      {},
    );
    const outputs = await program.run(inputs);
    await program.dispose();
    return flattenTree(outputs as HostTree);
  };
  for (const mode of golden.modes) {
    for (const [name, value] of await run(mode as WeightingMode)) {
      const path = name.startsWith('byMode.') ? `modes.${mode}.${name.slice('byMode.'.length)}` : name;
      quantities.set(path, [...value.data]);
    }
  }
  addEnqueue(quantities, golden, queues);
  return quantities;
}

function stepInputs(golden: GoldenFile, queues: { image: FeatureQueue; text: FeatureQueue }): Host<StepInputs> {
  const { image, text, imageAvailable, textAvailable, labels } = golden.inputs as Record<string, HostTensor>;
  return {
    batch: { image, text, imageAvailable, textAvailable },
    labels,
    memory: {
      imageQueue: queues.image.rows(),
      imageRowWeights: queues.image.rowWeights(),
      textQueue: queues.text.rows(),
      textRowWeights: queues.text.rowWeights(),
      ready: hostScalar(1),
    },
    parameters: golden.parameters,
    moments: initialMoments(golden.parameters),
  } as Host<StepInputs>;
}

/** One step in one weighting mode; what differs between modes stands under `byMode`. */
function stepQuantities(mode: WeightingMode, settings: AdamWSettings, inputs: StepInputs): TensorTree {
  const { batch, labels, memory } = inputs;
  const dim = batch.image.shape[1] as number;
  // golden files hold Eq. 4's target constant
  const config = drfConfig(dim, { weighting: mode, recoveryTargetGradient: false });
  const { gradients, auxiliary } = valueAndGradients(
    (leaves) => {
      const { parameters, image, text } = leaves as { parameters: TensorTree; image: tf.Tensor; text: tf.Tensor };
      const result = drfLoss(config, parameters, { ...batch, image, text } as BatchInputs, labels, memory);
      return { loss: result.total, auxiliary: quantitiesOfLoss(result, memory) };
    },
    { parameters: inputs.parameters, image: batch.image, text: batch.text },
  );
  const ofParameters = new Map(
    [...gradients].filter(([name]) => name.startsWith('parameters.')).map(([name, g]) => [name.slice(11), g] as const),
  );
  const corrections = biasCorrections(settings.step, settings);
  const rate = tf.scalar(settings.learningRate);
  const updated = adamW(
    inputs.parameters,
    ofParameters,
    inputs.moments,
    {
      learningRates: { encoder: rate, head: rate },
      firstCorrection: tf.scalar(corrections.first),
      secondCorrection: tf.scalar(corrections.second),
    },
    settings,
    learningRateGroup,
  );
  const { byMode, ...shared } = auxiliary;
  return {
    ...shared,
    byMode: {
      ...(byMode as TensorTree),
      gradients: {
        ...unflattenTree(ofParameters),
        image: gradients.get('image') as tf.Tensor,
        text: gradients.get('text') as tf.Tensor,
      },
      adamw: { params: updated.parameters },
    },
  };
}

function quantitiesOfLoss(result: ReturnType<typeof drfLoss>, memory: DrfMemoryInputs): TensorTree {
  const { forward, parts, prediction, total } = result;
  const { features, statistics } = forward;
  const { classification, distribution, ...recoveryParts } = parts as { [name: string]: tf.Tensor };
  const converted = forward.convertedQueues as NonNullable<typeof forward.convertedQueues>;
  return {
    imageStats: { ...statistics.image },
    textStats: { ...statistics.text },
    density: {
      image: gaussianDensity(features.image, statistics.image),
      text: gaussianDensity(features.text, statistics.text),
      recoveredText: gaussianDensity(features.recoveredText, statistics.text),
      recoveredImage: gaussianDensity(features.recoveredImage, statistics.image),
    },
    recovered: { text: features.recoveredText, image: features.recoveredImage },
    convertedStats: {
      imageToText: { ...distributionStatistics(converted.imageToText, memory.imageRowWeights) },
      textToImage: { ...distributionStatistics(converted.textToImage, memory.textRowWeights) },
    },
    losses: { distribution, ...recoveryParts, recovery: tf.addN(Object.values(recoveryParts)) } as TensorTree,
    fusedPairs: forward.fusedPairs,
    enqueue: {
      imageThreshold: meanDensity(memory.imageQueue, memory.imageRowWeights, statistics.image),
      textThreshold: meanDensity(memory.textQueue, memory.textRowWeights, statistics.text),
    },
    byMode: {
      weights: forward.weights,
      fused: forward.fused,
      logits: forward.logits,
      probabilities: prediction.probabilities,
      classification: classification as tf.Tensor,
      total,
    },
  };
}

function meanDensity(
  rows: tf.Tensor,
  rowWeights: tf.Tensor,
  statistics: Parameters<typeof gaussianDensity>[1],
): tf.Tensor {
  return tf.sum(tf.mul(gaussianDensity(rows, statistics), rowWeights)); // [capacity] → []
}

/** Who enters the queues, and the queues afterwards. */
function addEnqueue(
  quantities: Map<string, number[]>,
  golden: GoldenFile,
  queues: { image: FeatureQueue; text: FeatureQueue },
): void {
  for (const modality of ['image', 'text'] as const) {
    const queue = queues[modality];
    const accepted = acceptedRows({
      available: floatData(golden.inputs[`${modality}Available`] as HostTensor),
      density: quantities.get(`density.${modality}`) as number[],
      threshold: (quantities.get(`enqueue.${modality}Threshold`) as number[])[0] as number,
      filledOnce: queue.filledOnce,
    });
    const features = golden.inputs[modality] as HostTensor;
    queue.enqueue(hostTensor(features.data, features.shape), accepted);
    quantities.set(`enqueue.${modality}Accepted`, accepted.map(Number));
    quantities.set(`enqueue.${modality}QueueAfter`, [...queue.rows().data]);
  }
}
