import {
  createConcatenation,
  createDrf,
  drfConfig,
  type FeatureMoments,
  type Method,
  type MethodNeeds,
  type MethodShapes,
} from '@drf/model';
import { tokenLayoutOf } from '@drf/encoders';
import type { ExperimentConfig } from './schema.js';
import type { Session } from './session.js';

/** What the experiment's method asks of the pipeline. */
export function methodNeeds({ method }: Pick<ExperimentConfig, 'method'>): MethodNeeds {
  switch (method) {
    case 'drf':
    case 'concatenation':
      return {};
  }
}

/** The widths that a session's encoders give, with those of tokens where the method reads them. */
export function methodShapes(
  { image, text }: Pick<Session, 'image' | 'text'>,
  classes: number,
  needs: MethodNeeds,
): Pick<MethodShapes, 'imageDim' | 'textDim' | 'classes' | 'tokens'> {
  const tokens = needs.tokens === true ? { tokens: { image: tokenLayoutOf(image), text: tokenLayoutOf(text) } } : {};
  return { imageDim: image.outputDim, textDim: text.outputDim, classes, ...tokens };
}

/**
 * The method that an experiment asks for.
 * @param shapes with `standardization` measured on the training posts; a model whose parameters come from a checkpoint
 *   brings its own, so there it may be left out
 */
export function createMethod(config: ExperimentConfig, shapes: MethodShapes): Method {
  const { dim, converterHidden = dim, fusionHidden = dim, standardize, ...rest } = config.model;
  const { standardization = unmeasured(shapes.imageDim, shapes.textDim), ...others } = shapes;
  const { tokenStandardization = unmeasuredTokens(shapes), ...widths } = others;
  const full: MethodShapes = standardize ? { ...widths, standardization, tokenStandardization } : widths;
  switch (config.method) {
    case 'drf':
      return createDrf(drfConfig(dim, { ...rest, converterHidden, fusionHidden }), full);
    case 'concatenation':
      return createConcatenation({ dim }, full);
  }
}

function unmeasuredTokens({ tokens }: MethodShapes): MethodShapes['tokenStandardization'] {
  return tokens === undefined ? undefined : unmeasured(tokens.image.dim, tokens.text.dim);
}

function unmeasured(imageDim: number, textDim: number): NonNullable<MethodShapes['standardization']> {
  const unit = (width: number): FeatureMoments => ({
    mean: new Float32Array(width),
    std: new Float32Array(width).fill(1),
  });
  return { image: unit(imageDim), text: unit(textDim) };
}
