import { createConcatenation, createDrf, drfConfig, type Method, type MethodShapes } from '@drf/model';
import type { ExperimentConfig } from './schema.js';

/** The method that an experiment asks for. */
export function createMethod(config: ExperimentConfig, shapes: MethodShapes): Method {
  const { dim, converterHidden = dim, fusionHidden = dim, ...rest } = config.model;
  switch (config.method) {
    case 'drf':
      return createDrf(drfConfig(dim, { ...rest, converterHidden, fusionHidden }), shapes);
    case 'concatenation':
      return createConcatenation({ dim }, shapes);
  }
}
