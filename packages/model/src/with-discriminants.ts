import * as tf from '@tensorflow/tfjs';
import { emptyStateDiscriminants, type LinearDiscriminant, type StateDiscriminants } from '@drf/distribution';
import {
  byModality,
  hostScalar,
  hostTensor,
  MODALITIES,
  named,
  type ByModality,
  type ClassScores,
  type Host,
  type Modality,
  type Named,
  type PerPost,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import { predictionOf, type BatchInputs, type Method, type MethodParameters, type MethodShapes } from './method.js';

/** What {@link withDiscriminants} adds to a method's fixed parameters. */
export type DiscriminantParameters = ByModality<StateDiscriminants<tf.Tensor>> & {
  /** log π, [classes] */
  readonly logPrior: Named<['classes']>;
  /** Of the discriminants in the answer: 0 until they are fitted. [] */
  readonly share: Scalar;
};

/** How much each modality's evidence counts; measured over frozen encoders (docs/decisions/41-class-evidence.md). */
const FACTORS: ByModality<number> = { image: 1, text: 1.3 };

/** Parameters of discriminants that are not fitted, which change nothing. */
export function unfittedDiscriminants({ imageDim, textDim, classes }: MethodShapes): Host<DiscriminantParameters> {
  return {
    image: emptyStateDiscriminants(imageDim, classes),
    text: emptyStateDiscriminants(textDim, classes),
    logPrior: hostTensor(new Float32Array(classes).fill(-Math.log(classes)), [classes]),
    share: hostScalar(0),
  };
}

/**
 * A method whose answer is joined with what class-conditional Gaussians say of the encoders' outputs, as they come:
 *
 *   log p = (1 − s)·log p_method + s·log p_discriminants + constant
 *   log p_discriminants(k) = log π(k) + Σ over the modalities that are there: factor · E(k | f)
 *
 * a logarithmic opinion pool (Genest and Zidek 1986) of the method and a linear discriminant analysis. E(k | f) is the log
 * density of f in class k over that in any class, among intact outputs where f looks intact and among corrupted ones
 * where it does not: see `fitStateDiscriminants`. Nothing here is learned by gradient, and training does not see it: the
 * discriminants are fitted to the encoders' outputs when training is over, and become fixed parameters.
 *
 * Predictions say of each modality how much likelier its output is among intact ones than among corrupted ones, as
 * `details.logLikelihoodRatio`, in nats, 0 where the modality is missing. [batch]
 */
export function withDiscriminants(method: Method, shapes: MethodShapes): Method {
  const reads = method.needs?.reads ?? MODALITIES;
  return {
    ...method,
    initialParameters: (random) => {
      const { trained, fixed } = method.initialParameters(random);
      return { trained, fixed: { ...fixed, discriminants: unfittedDiscriminants(shapes) } };
    },
    predict: (parameters, batch, memory) => {
      const prediction = method.predict(parameters, batch, memory);
      const { logPrior, share, ...own } = discriminantsOf(parameters);
      const { image, text } = byModality((modality) => assess(own[modality], batch[modality]));
      const evidence = { image, text };
      const scores = reads.map((modality) => tf.mul(evidence[modality].scores, FACTORS[modality])); // [batch, classes]
      const pooled = tf.add(
        tf.mul(tf.logSoftmax(prediction.logits), tf.sub(1, share)),
        tf.mul(tf.logSoftmax(tf.add(tf.addN(scores), logPrior)), share),
      );
      const logLikelihoodRatio = byModality((modality) => evidence[modality].ratio);
      return predictionOf(named(pooled, ['batch', 'classes']), { ...prediction.details, logLikelihoodRatio });
    },
  };
}

/** A method's parameters with other discriminants. */
export function putDiscriminants(
  { trained, fixed }: Host<MethodParameters>,
  discriminants: Host<DiscriminantParameters>,
): Host<MethodParameters> {
  return { trained, fixed: { ...fixed, discriminants } };
}

/**
 * Whether a run's discriminants tell intact outputs of a modality from corrupted ones. They do not before they are fitted,
 * for a modality that the method does not read, and where training saw one of the two states alone: then they say the
 * same of every output.
 */
export function tellsStates({ fixed }: Host<MethodParameters>): ByModality<boolean> {
  const { discriminants } = (fixed ?? {}) as { readonly discriminants?: Host<DiscriminantParameters> };
  return byModality(
    (modality) => discriminants?.[modality].quality.kernel.data.some((weight) => weight !== 0) ?? false,
  );
}

/**
 * Probabilities that outputs are of intact images (texts) rather than of corrupted ones, both taken for equally likely
 * beforehand: the logistic function of `details.logLikelihoodRatio`. They mean nothing where the modality is missing.
 * @param known as {@link tellsStates} says
 * @returns [batch] for each modality that is known
 */
export function intactProbabilities(details: TensorTree, known: ByModality<boolean>): Partial<ByModality<PerPost>> {
  const { logLikelihoodRatio } = details as { readonly logLikelihoodRatio?: ByModality<PerPost> };
  if (logLikelihoodRatio === undefined) return {};
  const of = (modality: Modality): PerPost => named(tf.sigmoid(logLikelihoodRatio[modality]), ['batch']);
  return Object.fromEntries(
    MODALITIES.filter((modality) => known[modality]).map((modality) => [modality, of(modality)]),
  );
}

function discriminantsOf({ fixed }: MethodParameters): DiscriminantParameters {
  return (fixed as { readonly discriminants: DiscriminantParameters & TensorTree }).discriminants;
}

/** What an output says of its state and its class; zeros where it is missing. */
function assess(
  { quality, intact, corrupted }: StateDiscriminants<tf.Tensor>,
  { features, available }: BatchInputs['image'],
): { readonly ratio: PerPost; readonly scores: ClassScores } {
  const isPresent = tf.expandDims(tf.greater(available, 0), 1); // [batch, 1]
  const present = tf.where(isPresent, features, tf.zerosLike(features)); // not even NaN goes on
  const known = tf.expandDims(available, 1); // [batch, 1]
  const ratio = tf.mul(apply(quality, present), known); // [batch, 1]
  const byState = tf.where(tf.greater(ratio, 0), apply(intact, present), apply(corrupted, present));
  return {
    ratio: named(tf.squeeze(ratio, [1]), ['batch']),
    scores: named(tf.mul(byState, known), ['batch', 'classes']),
  };
}

/** [batch, width] × [width, group] → [batch, group] */
function apply({ kernel, bias }: LinearDiscriminant<tf.Tensor>, rows: tf.Tensor): tf.Tensor {
  return tf.add(tf.matMul(rows, kernel), bias);
}
