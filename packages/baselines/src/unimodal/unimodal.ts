import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import { applyLinear, crossEntropy, initializeLinear, type LinearParameters } from '@drf/layers';
import {
  initializeProjections,
  methodOf,
  postWeights,
  predictionOf,
  projectFeatures,
  type BatchInputs,
  type ClassWeighted,
  type FeatureNorm,
  type Method,
  type MethodShapes,
  type ModalityInputs,
  type ProjectionParameters,
} from '@drf/model';
import {
  hostTensor,
  MODALITIES,
  named,
  type ByModality,
  type ClassScores,
  type Host,
  type Modality,
  type Named,
  type PerPost,
  type Random,
  type Scalar,
} from '@drf/tensor';

/** One modality's way from its feature to classes: projection, one hidden layer, classifier. */
type BranchParameters = ProjectionParameters & {
  readonly trained: { readonly hidden: LinearParameters; readonly classifier: LinearParameters };
};

/** log of the classes' shares of the training posts, each post counted by its class's weight, [classes]. */
type Prior = { readonly logPrior: Named<['classes']> };

interface UnimodalOptions {
  /** Width of the feature space and of the hidden layer. */
  readonly dim: number;
  readonly featureNorm?: FeatureNorm | undefined;
}

/**
 * The shares of the classes among the training posts, by which a post is judged that has nothing to be judged by; one
 * post is added to each class, so that none is impossible. Where classes are weighted, posts count here as they do in the
 * loss, whose least value over constant answers these shares have. Unknown shares are equal ones.
 */
function logPriorOf({ classCounts, classWeights, classes }: MethodShapes): Host<Prior> {
  const counts = Array.from(
    { length: classes },
    (_, own) => 1 + (classCounts?.[own] ?? 0) * (classWeights?.[own] ?? 1),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    logPrior: hostTensor(
      Float32Array.from(counts, (count) => Math.log(count / total)),
      [classes],
    ),
  };
}

function initializeBranch(
  random: Random,
  modality: Modality,
  shapes: MethodShapes,
  dim: number,
): Host<BranchParameters> {
  const { trained, fixed } = initializeProjections(random, shapes, dim);
  const [own, scaling] = [trained[modality], fixed?.[modality]];
  return {
    trained: {
      ...(own === undefined ? {} : { [modality]: own }),
      hidden: initializeLinear(random.fork('hidden'), dim, dim),
      classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
    },
    ...(scaling === undefined ? {} : { fixed: { [modality]: scaling } }),
  };
}

/** Logits of one modality; of a post without it they are of no use. [batch, width] → [batch, classes] */
function branchLogits(
  parameters: BranchParameters,
  modality: Modality,
  inputs: ModalityInputs,
  norm: FeatureNorm | undefined,
): ClassScores {
  const { hidden, classifier } = parameters.trained;
  const features = projectFeatures(parameters, modality, inputs, norm);
  const activated = tf.relu(applyLinear(hidden, features)); // [batch, dim] × [dim, dim] → [batch, dim]
  return classify(classifier, named(activated, ['batch', 'dim']));
}

const isThere = ({ available }: ModalityInputs): tf.Tensor => tf.expandDims(tf.greater(available, 0), 1); // [batch, 1]

/** Cross-entropy of a branch over the posts that have its modality, divided by the number of all posts. */
function branchLoss(logits: ClassScores, labels: PerPost, { available }: ModalityInputs, weights?: PerPost): Scalar {
  return crossEntropy(logits, labels, weights === undefined ? available : named(tf.mul(available, weights), ['batch']));
}

type UnimodalParameters = BranchParameters & ClassWeighted & { readonly fixed: { readonly prior: Prior } };

/**
 * A method that reads one modality alone: its projected feature, one hidden layer, classifier, the same as one half of
 * concatenation. What the other modality says does not change its answers, and a post without its modality is judged by
 * the classes' shares of the training posts, which is all that it knows then.
 */
export function createUnimodal(
  modality: Modality,
  { dim, featureNorm }: UnimodalOptions,
  shapes: MethodShapes,
): Method<UnimodalParameters> {
  const judge = (parameters: UnimodalParameters, batch: BatchInputs) => {
    const logits = branchLogits(parameters, modality, batch[modality], featureNorm);
    const prior = tf.broadcastTo(tf.expandDims(parameters.fixed.prior.logPrior, 0), logits.shape);
    const answered = named(tf.where(isThere(batch[modality]), logits, prior), ['batch', 'classes']);
    return { logits, prediction: predictionOf(answered) };
  };
  return methodOf<UnimodalParameters>(
    `${modality}-only`,
    { reads: [modality] },
    {
      initialParameters: (random) => {
        const { trained, fixed } = initializeBranch(random, modality, shapes, dim);
        return { trained, fixed: { ...fixed, prior: logPriorOf(shapes) } };
      },
      predict: (parameters, batch) => judge(parameters, batch).prediction,
      loss: (parameters, batch, labels) => {
        const { logits, prediction } = judge(parameters, batch);
        const total = branchLoss(logits, labels, batch[modality], postWeights(parameters, labels));
        return { total, parts: { classification: total }, prediction, observations: {} };
      },
    },
  );
}

type LateFusionParameters = {
  readonly trained: { readonly branches: ByModality<BranchParameters['trained']> };
  readonly fixed: { readonly branches?: Partial<ByModality<BranchParameters['fixed']>>; readonly prior: Prior };
} & ClassWeighted;

/**
 * Late fusion: two methods of one modality each, whose log-probabilities are averaged (the geometric mean of their
 * answers, a logarithmic opinion pool). They share neither parameters nor a loss, but the epoch that is kept, and the norm
 * where gradients are clipped. A post that lacks a modality is judged by the other one alone, and one that lacks both by
 * the classes' shares of the training posts.
 */
export function createLateFusion(
  { dim, featureNorm }: UnimodalOptions,
  shapes: MethodShapes,
): Method<LateFusionParameters> {
  const branchOf = ({ trained, fixed }: LateFusionParameters, modality: Modality): BranchParameters => {
    const scaling = fixed.branches?.[modality];
    return { trained: trained.branches[modality], ...(scaling === undefined ? {} : { fixed: scaling }) };
  };
  const judge = (parameters: LateFusionParameters, batch: BatchInputs) => {
    const logitsOf = (modality: Modality): ClassScores =>
      branchLogits(branchOf(parameters, modality), modality, batch[modality], featureNorm);
    const logits = { image: logitsOf('image'), text: logitsOf('text') };
    const weighted = MODALITIES.map((modality) =>
      tf.mul(tf.logSoftmax(logits[modality], -1), tf.expandDims(batch[modality].available, 1)),
    );
    const present = tf.expandDims(tf.add(batch.image.available, batch.text.available), 1); // [batch, 1]
    const mean = tf.div(tf.addN(weighted), tf.maximum(present, 1)); // [batch, classes]
    const { logPrior } = parameters.fixed.prior;
    const prior = tf.broadcastTo(tf.expandDims(logPrior, 0), mean.shape);
    const answered = tf.where(tf.greater(present, 0), mean, prior);
    return { logits, prediction: predictionOf(named(answered, ['batch', 'classes'])) };
  };
  return methodOf<LateFusionParameters>('late-fusion', undefined, {
    initialParameters: (random) => {
      const branches = MODALITIES.map((modality) => [modality, initializeBranch(random.fork(modality), modality, shapes, dim)] as const); // prettier-ignore
      const scalings = branches.flatMap(([modality, { fixed }]) => (fixed === undefined ? [] : [[modality, fixed]]));
      const scaled = scalings.length === 0 ? {} : { branches: Object.fromEntries(scalings) };
      return {
        trained: {
          branches: Object.fromEntries(branches.map(([modality, { trained }]) => [modality, trained])) as ByModality<
            Host<BranchParameters['trained']>
          >,
        },
        fixed: { ...scaled, prior: logPriorOf(shapes) },
      };
    },
    predict: (parameters, batch) => judge(parameters, batch).prediction,
    loss: (parameters, batch, labels) => {
      const { logits, prediction } = judge(parameters, batch);
      const weights = postWeights(parameters, labels);
      const image = branchLoss(logits.image, labels, batch.image, weights);
      const text = branchLoss(logits.text, labels, batch.text, weights);
      return { total: named(tf.add(image, text), []), parts: { image, text }, prediction, observations: {} };
    },
  });
}
