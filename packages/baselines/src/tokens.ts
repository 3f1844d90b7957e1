import * as tf from '@tensorflow/tfjs';
import {
  applyLinear,
  initializeLinear,
  joinSequences,
  mapStates,
  type LinearParameters,
  type Sequence,
} from '@drf/layers';
import {
  assertShape,
  byModality,
  ConfigurationError,
  named,
  type ByModality,
  type Host,
  type Modality,
  type Random,
} from '@drf/tensor';
import {
  initializeProjections,
  projectFeatures,
  scalingOf,
  standardized,
  type MethodNeeds,
  type MethodParameters,
  type MethodShapes,
  type ModalityInputs,
  type ScalingParameters,
  type TokenShape,
} from '@drf/model';

/** What all compared methods ask for: tokens, and stand-ins for missing modalities, which they cannot take. */
export const COMPARED_NEEDS: MethodNeeds = { tokens: true, bothModalities: true };

/** A method's token layout. @throws ConfigurationError when its shapes have none */
export function tokenShape(shapes: MethodShapes, modality: Modality): TokenShape {
  if (shapes.tokens !== undefined) return shapes.tokens[modality];
  throw new ConfigurationError({
    subject: 'A method that reads tokens',
    expected: 'shapes with the layout of tokens',
    received: 'none',
    remedy: 'pass methodShapes(session, classes, methodNeeds(config))',
  });
}

/**
 * What brings pooled features and tokens to the method's width: linear projections, and scalings where features are
 * standardized.
 */
export type SequenceParameters = MethodParameters<
  ByModality<{ readonly projection?: LinearParameters; readonly tokenProjection: LinearParameters }>,
  Partial<ByModality<{ readonly scaling?: ScalingParameters; readonly tokenScaling?: ScalingParameters }>>
>;

/** Fresh {@link SequenceParameters}. */
export function initializeSequences(random: Random, shapes: MethodShapes, dim: number): Host<SequenceParameters> {
  const { tokenStandardization: moments } = shapes;
  const { trained, fixed } = initializeProjections(random, shapes, dim);
  const scalings =
    moments === undefined
      ? fixed
      : byModality((modality) => ({ ...fixed?.[modality], tokenScaling: scalingOf(moments[modality]) }));
  return {
    trained: byModality((modality) => ({
      ...trained[modality],
      tokenProjection: initializeLinear(
        random.fork(`${modality}TokenProjection`),
        tokenShape(shapes, modality).dim,
        dim,
      ),
    })),
    ...(scalings === undefined ? {} : { fixed: scalings }),
  };
}

/** A modality's tokens, standardized if the parameters say how; zeros where none stands. [batch, token, width] */
export function scaledTokens(
  { fixed }: Pick<SequenceParameters, 'fixed'>,
  modality: Modality,
  { tokens: inputs, available }: ModalityInputs,
): Sequence {
  if (inputs === undefined) throw missingTokens(modality);
  const { tokens } = inputs;
  assertShape(`${modality} tokens' mask`, inputs.mask, tokens.shape.slice(0, 2));
  const scaled = standardized(tokens, fixed?.[modality]?.tokenScaling);
  // tokens of a missing modality do not stand, whatever their mask says
  const isAvailable = tf.expandDims(tf.greater(available, 0), 1);
  const mask = named(tf.where(isAvailable, inputs.mask, tf.zerosLike(inputs.mask)), ['batch', 'token']);
  const present = tf.where(tf.expandDims(tf.greater(mask, 0), 2), scaled, tf.zerosLike(tokens));
  return { states: named(present, ['batch', 'token', 'dim']), mask };
}

function missingTokens(modality: Modality): ConfigurationError {
  return new ConfigurationError({
    subject: 'A method that reads tokens',
    expected: `${modality}.tokens in its batch`,
    received: 'pooled features only',
    remedy: 'encode posts with the needs of the method',
  });
}

/** A modality's tokens at the method's width. [batch, token, width] → [batch, token, dim] */
export function projectTokens(parameters: SequenceParameters, modality: Modality, inputs: ModalityInputs): Sequence {
  const { tokenProjection } = parameters.trained[modality];
  return mapStates(scaledTokens(parameters, modality, inputs), (states) => applyLinear(tokenProjection, states));
}

/**
 * A modality as a sequence: its pooled feature first, as BERT's `[CLS]` stands before its pieces, then its tokens.
 * [batch, 1 + token, dim]
 */
export function modalitySequence(parameters: SequenceParameters, modality: Modality, inputs: ModalityInputs): Sequence {
  const pooled = projectFeatures(parameters, modality, inputs);
  const first: Sequence = {
    states: named(tf.expandDims(pooled, 1), ['batch', 'token', 'dim']),
    mask: named(tf.expandDims(inputs.available, 1), ['batch', 'token']),
  };
  return joinSequences([first, projectTokens(parameters, modality, inputs)]);
}
