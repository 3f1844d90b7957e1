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
  ConfigurationError,
  named,
  type HostTree,
  type Modality,
  type Named,
  type Random,
  type TensorTree,
} from '@drf/tensor';
import type { BatchInputs, MethodNeeds, MethodShapes, TokenInputs, TokenShape } from '@drf/model';
import { initializeProjections, projectFeatures, scalingOf, type ScalingParameters } from '@drf/model';

/** What all compared methods ask for: tokens, and stand-ins for missing modalities, which they cannot take. */
export const COMPARED_NEEDS: MethodNeeds = { tokens: true, bothModalities: true };

const tokensName = (modality: Modality): 'imageTokens' | 'textTokens' => `${modality}Tokens`;

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
 * What brings pooled features and tokens to the method's width: scalings where features are standardized, linear
 * projections: `imageTokenScaling`, `imageTokenProjection` and so on, beside those of {@link initializeProjections}.
 */
export function initializeSequences(random: Random, shapes: MethodShapes, dim: number): HostTree {
  const { tokenStandardization: moments } = shapes;
  return {
    ...initializeProjections(random, shapes, dim),
    ...(moments === undefined
      ? {}
      : { imageTokenScaling: scalingOf(moments.image), textTokenScaling: scalingOf(moments.text) }),
    imageTokenProjection: initializeLinear(random.fork('imageTokenProjection'), tokenShape(shapes, 'image').dim, dim),
    textTokenProjection: initializeLinear(random.fork('textTokenProjection'), tokenShape(shapes, 'text').dim, dim),
  };
}

/** A modality's tokens, standardized if the tree says how; zeros where none stands. [batch, token, width] */
export function scaledTokens(parameters: TensorTree, modality: Modality, batch: BatchInputs): Sequence {
  const inputs = batch[tokensName(modality)];
  if (inputs === undefined) throw missingTokens(modality);
  const { tokens } = inputs;
  assertShape(`${modality} tokens' mask`, inputs.mask, tokens.shape.slice(0, 2));
  const scaling = parameters[`${modality}TokenScaling`] as ScalingParameters | undefined;
  const scaled = scaling === undefined ? tokens : tf.mul(tf.sub(tokens, scaling.mean), scaling.scale);
  const mask = standing(inputs, batch, modality);
  const present = tf.where(tf.expandDims(tf.greater(mask, 0), 2), scaled, tf.zerosLike(tokens));
  return { states: named(present, ['batch', 'token', 'dim']), mask };
}

/** Tokens of a missing modality do not stand, whatever their mask says. */
function standing({ mask }: TokenInputs, batch: BatchInputs, modality: Modality): Named<['batch', 'token']> {
  const isAvailable = tf.expandDims(tf.greater(batch[`${modality}Available`], 0), 1);
  return named(tf.where(isAvailable, mask, tf.zerosLike(mask)), ['batch', 'token']);
}

function missingTokens(modality: Modality): ConfigurationError {
  return new ConfigurationError({
    subject: 'A method that reads tokens',
    expected: `${tokensName(modality)} in its batch`,
    received: 'pooled features only',
    remedy: 'encode posts with the needs of the method',
  });
}

/** A modality's tokens at the method's width. [batch, token, width] → [batch, token, dim] */
export function projectTokens(parameters: TensorTree, modality: Modality, batch: BatchInputs): Sequence {
  const projection = parameters[`${modality}TokenProjection`] as LinearParameters;
  return mapStates(scaledTokens(parameters, modality, batch), (states) => applyLinear(projection, states));
}

/**
 * A modality as a sequence: its pooled feature first, as BERT's `[CLS]` stands before its pieces, then its tokens.
 * [batch, 1 + token, dim]
 */
export function modalitySequence(parameters: TensorTree, modality: Modality, batch: BatchInputs): Sequence {
  const available = batch[`${modality}Available`];
  const pooled = projectFeatures(parameters, modality, batch[modality], available);
  const first: Sequence = {
    states: named(tf.expandDims(pooled, 1), ['batch', 'token', 'dim']),
    mask: named(tf.expandDims(available, 1), ['batch', 'token']),
  };
  return joinSequences([first, projectTokens(parameters, modality, batch)]);
}
