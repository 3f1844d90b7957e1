import * as tf from '@tensorflow/tfjs';
import { distributionStatistics, logPeakFactor, type DistributionStatistics } from '@drf/distribution';
import type { PostFeatures } from '@drf/fusion';
import type { BatchInputs, DrfMemoryInputs, Prediction } from '@drf/model';
import { ConfigurationError, mapTree, toTensor, type TensorTree } from '@drf/tensor';
import type { OpenedRun } from '@drf/experiment';

/** A head's outputs by the names that they have in the file: identifiers in every language. */
export type HeadOutputs = { readonly [name: string]: tf.Tensor };

/** What DRF's prediction says beside its scores. */
type DrfDetails = {
  readonly weights: tf.Tensor;
  readonly logDensity: { readonly [Feature in keyof PostFeatures]: tf.Tensor };
  readonly features: PostFeatures;
};

/** The four features of a post, and the modality that each stands for. */
const STANDS_FOR = { image: 'image', text: 'text', recoveredText: 'text', recoveredImage: 'image' } as const;

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Relative densities exp(−‖f − μ‖² / 2σ²), each [batch], and the same by Eq. 9 to the letter, over √(2π)·σ. */
function densities(logDensity: DrfDetails['logDensity'], memory: DrfMemoryInputs): HeadOutputs {
  const statistics: { readonly [Modality in 'image' | 'text']: DistributionStatistics } = {
    image: distributionStatistics(memory.imageQueue, memory.imageRowWeights),
    text: distributionStatistics(memory.textQueue, memory.textRowWeights),
  };
  const outputs: Record<string, tf.Tensor> = { logDensityImage: logDensity.image, logDensityText: logDensity.text };
  for (const [feature, modality] of Object.entries(STANDS_FOR)) {
    const relative = logDensity[feature as keyof PostFeatures];
    outputs[`relativeDensity${capitalized(feature)}`] = tf.exp(relative);
    outputs[`density${capitalized(feature)}`] = tf.exp(tf.sub(relative, logPeakFactor(statistics[modality])));
  }
  return outputs;
}

/** What the forms of DRF say beside their scores; other methods say nothing. */
function furtherOutputs(method: string, details: TensorTree, memory: TensorTree): HeadOutputs {
  if (!method.startsWith('drf')) return {};
  const { weights, logDensity, features } = details as DrfDetails;
  const quality =
    method === 'drf'
      ? { logDensityImage: logDensity.image, logDensityText: logDensity.text }
      : densities(logDensity, memory as DrfMemoryInputs);
  return {
    ...quality,
    pairWeights: weights,
    recoveredText: features.recoveredText,
    recoveredImage: features.recoveredImage,
  };
}

/** @throws ConfigurationError for a method that reads tokens: no file here would say how to make them */
export function assertPooled({ method, folder }: OpenedRun): void {
  if (method.needs?.tokens !== true) return;
  throw new ConfigurationError({
    subject: `Export of run ${folder.path}`,
    expected: 'a method that reads one feature an image and a text',
    received: `${method.id}, which reads tokens`,
    remedy: 'export a run of drf or concatenation',
  });
}

/**
 * The trained head as a function of features and availability alone: parameters and memory are constants of it.
 * Methods other than DRF have probabilities and logits only.
 */
export function headFunction(run: OpenedRun): (batch: BatchInputs) => HeadOutputs {
  return (batch) => {
    const memory = mapTree(run.memory, toTensor) as TensorTree;
    const parameters = mapTree(run.parameters, toTensor) as TensorTree;
    const { probabilities, logits, details }: Prediction = run.method.predict(parameters, batch, memory);
    return { probabilities, logits, ...furtherOutputs(run.method.id, details, memory) };
  };
}
