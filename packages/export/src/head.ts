import * as tf from '@tensorflow/tfjs';
import { distributionStatistics, logPeakFactor } from '@drf/distribution';
import type { PostFeatures } from '@drf/fusion';
import type { BatchInputs, DrfMemoryInputs, Prediction } from '@drf/model';
import {
  byModality,
  ConfigurationError,
  mapTree,
  named,
  toTensor,
  type ByModality,
  type TensorTree,
} from '@drf/tensor';
import type { OpenedRun } from '@drf/experiment';

/** A head's outputs by the names that they have in the file: identifiers in every language. */
export type HeadOutputs = { readonly [name: string]: tf.Tensor };

/** What DRF's prediction says beside its scores. */
type DrfDetails = {
  readonly weights: tf.Tensor;
  readonly logDensity: ByModality<tf.Tensor> & { readonly recovered: ByModality<tf.Tensor> };
  readonly features: PostFeatures;
};

/** Relative densities exp(−‖f − μ‖² / 2σ²), each [batch], and the same by Eq. 9 to the letter, over √(2π)·σ. */
function densities({ image, text, recovered }: DrfDetails['logDensity'], memory: DrfMemoryInputs): HeadOutputs {
  const peak = byModality((modality) => {
    const { rows, rowWeights } = memory[modality];
    return logPeakFactor(distributionStatistics(rows, rowWeights));
  });
  const outputs: Record<string, tf.Tensor> = { logDensityImage: image, logDensityText: text };
  for (const [feature, relative, modality] of [
    ['Image', image, 'image'],
    ['Text', text, 'text'],
    ['RecoveredText', recovered.text, 'text'],
    ['RecoveredImage', recovered.image, 'image'],
  ] as const) {
    outputs[`relativeDensity${feature}`] = tf.exp(relative);
    outputs[`density${feature}`] = tf.exp(tf.sub(relative, peak[modality]));
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
    recoveredText: features.recovered.text,
    recoveredImage: features.recovered.image,
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

/** Inputs by the names that they have in a file. */
export type ModelInputs = { readonly [name: string]: tf.Tensor };

/** A batch from a head's inputs: `image`, `text` [batch, dim], `imageAvailable`, `textAvailable` [batch]. */
function batchOf(inputs: ModelInputs): BatchInputs {
  return byModality((modality) => ({
    features: named(inputs[modality] as tf.Tensor, ['batch', 'width']),
    available: named(inputs[`${modality}Available`] as tf.Tensor, ['batch']),
  }));
}

/**
 * The trained head as a function of features and availability alone: parameters and memory are constants of it.
 * Methods other than DRF have probabilities and logits only.
 */
export function headFunction(run: OpenedRun): (inputs: ModelInputs) => HeadOutputs {
  return (inputs) => {
    const memory = mapTree(run.memory, toTensor);
    const { trained, fixed = {} } = run.parameters;
    const parameters = { trained: mapTree(trained, toTensor), fixed: mapTree(fixed, toTensor) };
    const { probabilities, logits, details }: Prediction = run.method.predict(parameters, batchOf(inputs), memory);
    return { probabilities, logits, ...furtherOutputs(run.method.id, details, memory) };
  };
}
