import * as tf from '@tensorflow/tfjs';
import {
  admittedRows,
  distributionStatistics,
  FeatureQueue,
  gaussianDensity,
  type DistributionStatistics,
} from '@drf/distribution';
import type { WeightingMode } from '@drf/fusion';
import {
  adamW,
  biasCorrections,
  drfConfig,
  drfLoss,
  initialMoments,
  valueAndGradients,
  type AdamWMoments,
  type BatchInputs,
  type DrfMemoryInputs,
  type DrfParameters,
} from '@drf/model';
import {
  byModality,
  flattenTree,
  hostScalar,
  hostTensor,
  MODALITIES,
  named,
  type ByModality,
  type Engine,
  type Host,
  type HostTensor,
  type PerPost,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import { nameInFile, type AdamWSettings, type GoldenFile } from './golden-file.js';

type StepInputs = {
  readonly batch: BatchInputs;
  readonly labels: PerPost;
  readonly memory: DrfMemoryInputs;
  readonly parameters: DrfParameters['trained'];
  readonly moments: AdamWMoments;
};

/** Every quantity of a golden file as this code computes it, by its path in the file. */
export async function computeQuantities(golden: GoldenFile, engine: Engine): Promise<Map<string, number[]>> {
  const quantities = new Map<string, number[]>();
  const queues = byModality((modality) => {
    const rows = golden.inputs[`${modality}Queue`] as HostTensor;
    const filled = new FeatureQueue({ capacity: rows.shape[0] as number, dim: rows.shape[1] as number });
    filled.enqueue(rows);
    return filled;
  });
  const inputs = stepInputs(golden, queues);
  const run = async (mode: WeightingMode): Promise<Map<string, HostTensor>> => {
    const program = await engine.prepare(
      (_constants: TensorTree, tensors: StepInputs) => stepQuantities(mode, golden.adamW, tensors),
      {},
    );
    const outputs = await program.run(inputs);
    await program.dispose();
    return flattenTree<HostTensor>(outputs);
  };
  for (const mode of golden.modes) {
    for (const [name, value] of await run(mode as WeightingMode)) {
      const path = name.startsWith('byMode.') ? `modes.${mode}.${name.slice('byMode.'.length)}` : name;
      quantities.set(nameInFile(path), [...value.data]);
    }
  }
  for (const modality of MODALITIES) {
    const admitted = quantities.get(`enqueue.${modality}Accepted`) as number[];
    queues[modality].enqueue(golden.inputs[modality] as HostTensor, hostTensor(admitted, [admitted.length]));
    quantities.set(`enqueue.${modality}QueueAfter`, [...queues[modality].rows().data]);
  }
  return quantities;
}

function stepInputs({ inputs, parameters }: GoldenFile, queues: ByModality<FeatureQueue>): Host<StepInputs> {
  const given = (name: string): HostTensor => inputs[name] as HostTensor;
  return {
    batch: byModality((modality) => ({ features: given(modality), available: given(`${modality}Available`) })),
    labels: given('labels'),
    memory: {
      ...byModality((modality) => ({
        rows: queues[modality].rows(),
        rowWeights: queues[modality].rowWeights(),
        filledOnce: hostScalar(1),
      })),
      ready: hostScalar(1),
    },
    parameters: parameters as Host<DrfParameters['trained']>,
    moments: initialMoments(parameters),
  };
}

/** One step in one weighting mode; what differs between modes stands under `byMode`. */
function stepQuantities(mode: WeightingMode, settings: AdamWSettings, inputs: StepInputs): TensorTree {
  const { batch, labels, memory } = inputs;
  const dim = memory.image.rows.shape[1] as number;
  // golden files hold Eq. 4's target constant
  const config = drfConfig(dim, { weighting: mode, recoveryTargetGradient: false });
  const { gradients, auxiliary } = valueAndGradients(
    ({ parameters: trained, image, text }) => {
      const moved = { image: { ...batch.image, features: image }, text: { ...batch.text, features: text } };
      const result = drfLoss(config, { trained }, moved, labels, memory);
      return { loss: result.total, auxiliary: quantitiesOfLoss(result, moved, memory) };
    },
    { parameters: inputs.parameters, image: batch.image.features, text: batch.text.features },
  );
  const corrections = biasCorrections(settings.step, settings);
  const scalar = (value: number): Scalar => named(tf.scalar(value), []);
  const schedule = {
    learningRate: scalar(settings.learningRate),
    firstCorrection: scalar(corrections.first),
    secondCorrection: scalar(corrections.second),
  };
  const updated = adamW(inputs.parameters, gradients.parameters, inputs.moments, schedule, settings);
  const { byMode, ...shared } = auxiliary;
  const { parameters: ofParameters, ...ofFeatures } = gradients;
  const { image, text, ...others } = ofParameters;
  return {
    ...shared,
    byMode: {
      ...byMode,
      gradients: {
        ...others,
        ...ofFeatures,
        ...(image?.projection && { imageProjection: image.projection }),
        ...(text?.projection && { textProjection: text.projection }),
      },
      adamw: { params: updated.parameters },
    },
  };
}

function quantitiesOfLoss(result: ReturnType<typeof drfLoss>, batch: BatchInputs, memory: DrfMemoryInputs) {
  const { forward, parts, prediction, total } = result;
  const { features, statistics } = forward;
  const { classification, distribution, ...recoveryParts } = parts as Required<typeof parts>;
  const converted = forward.convertedQueues as NonNullable<typeof forward.convertedQueues>;
  const densityOf = (rows: tf.Tensor, own: DistributionStatistics): PerPost => gaussianDensity(rows, own);
  const density = byModality((modality) => densityOf(features[modality], statistics[modality]));
  const enqueue = byModality((modality) => {
    const { rows, rowWeights, filledOnce } = memory[modality];
    const threshold = meanDensity(rows, rowWeights, statistics[modality]);
    const { available } = batch[modality];
    return { threshold, admitted: admittedRows({ available, density: density[modality], threshold, filledOnce }) };
  });
  return {
    imageStats: statistics.image,
    textStats: statistics.text,
    density: {
      ...density,
      recoveredText: densityOf(features.recovered.text, statistics.text),
      recoveredImage: densityOf(features.recovered.image, statistics.image),
    },
    recovered: features.recovered,
    convertedStats: {
      imageToText: distributionStatistics(converted.imageToText, memory.image.rowWeights),
      textToImage: distributionStatistics(converted.textToImage, memory.text.rowWeights),
    },
    losses: { distribution, ...recoveryParts, recovery: tf.addN<tf.Tensor>(Object.values(recoveryParts)) },
    fusedPairs: forward.fusedPairs,
    enqueue: {
      imageThreshold: enqueue.image.threshold,
      textThreshold: enqueue.text.threshold,
      imageAccepted: enqueue.image.admitted,
      textAccepted: enqueue.text.admitted,
    },
    byMode: {
      weights: forward.weights,
      fused: forward.fused,
      logits: forward.logits,
      probabilities: prediction.probabilities,
      classification,
      total,
    },
  };
}

/** Mean density of a queue's rows by Eq. 9 to the letter. [capacity, dim] → [] */
function meanDensity(rows: tf.Tensor, rowWeights: tf.Tensor, statistics: DistributionStatistics): Scalar {
  return named(tf.sum(tf.mul(gaussianDensity(rows, statistics), rowWeights)), []);
}
