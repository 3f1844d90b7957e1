import {
  createConcatenation,
  createDrf,
  drfConfig,
  type FeatureMoments,
  type Method,
  type MethodShapes,
} from '@drf/model';
import type { ExperimentConfig } from './schema.js';

/**
 * The method that an experiment asks for.
 * @param shapes with `standardization` measured on the training posts; a model whose parameters come from a checkpoint
 *   brings its own, so there it may be left out
 */
export function createMethod(config: ExperimentConfig, shapes: MethodShapes): Method {
  const { dim, converterHidden = dim, fusionHidden = dim, standardize, ...rest } = config.model;
  const { standardization = unmeasured(shapes), ...widths } = shapes;
  const full: MethodShapes = standardize ? { ...widths, standardization } : widths;
  switch (config.method) {
    case 'drf':
      return createDrf(drfConfig(dim, { ...rest, converterHidden, fusionHidden }), full);
    case 'concatenation':
      return createConcatenation({ dim }, full);
  }
}

function unmeasured({ imageDim, textDim }: MethodShapes): NonNullable<MethodShapes['standardization']> {
  const unit = (width: number): FeatureMoments => ({
    mean: new Float32Array(width),
    std: new Float32Array(width).fill(1),
  });
  return { image: unit(imageDim), text: unit(textDim) };
}
