import { ConfigurationError, createRandom, flattenTree, type HostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import {
  comparedOptions,
  createMethod,
  METHOD_NAMES,
  methodNeeds,
  parseExperiment,
  type ExperimentConfig,
} from './index.js';

const TOKENS = { image: { count: 4, dim: 3 }, text: { count: 5, dim: 2 } };
const SHAPES = { imageDim: 6, textDim: 5, classes: 3, tokens: TOKENS };

function configOf(method: ExperimentConfig['method'], more: Record<string, unknown> = {}): ExperimentConfig {
  const model = { dim: 8, queueCapacity: 8, standardize: true };
  const compared = { width: 8, words: 6, objects: 4, scenes: 3 };
  const base = { name: 'test', dataset: { name: 'embedded' }, method, model, compared };
  return parseExperiment({ ...base, ...more }, 'a test');
}

describe('createMethod', () => {
  it.each(METHOD_NAMES)(
    'makes %s, which needs what methodNeeds says and has a scaling where it reads tokens',
    (name) => {
      const config = configOf(name);
      const method = createMethod(config, SHAPES);
      expect(method.id).toBe(name);
      expect(method.needs ?? {}).toEqual(methodNeeds(config));
      const names = [...flattenTree<HostTensor>(method.initialParameters(createRandom(1)).fixed ?? {}).keys()];
      const read = methodNeeds(config).reads ?? ['image'];
      expect(names.some((own) => own.endsWith(`${read[0]}.scaling.mean`))).toBe(true);
      expect(names.includes('image.tokenScaling.mean')).toBe(methodNeeds(config).tokens === true);
    },
  );

  it('refuses heads that do not divide the width, naming the option', () => {
    const compared = { heads: 3 };
    for (const name of ['mgnns', 'clmlf'] as const) {
      expect(() => createMethod(configOf(name, { compared }), SHAPES)).toThrow(ConfigurationError);
    }
    expect(() => createMethod(configOf('mgnns', { compared }), SHAPES)).toThrow(
      'compared.heads expected a divisor of the width, 128, received 3; change one of the two',
    );
  });

  it('takes the authors’ constants where their code is public, and what is given before them', () => {
    const authors = (method: ExperimentConfig['method'], given = {}) =>
      comparedOptions(configOf(method, { compared: { preset: 'authors', ...given } }));
    expect(authors('clmlf')).toMatchObject({
      width: 768,
      heads: 12,
      imageLayers: 2,
      fusionLayers: 3,
      contrastiveScale: 1,
    });
    expect(authors('clmlf', { width: 24, contrastiveScale: 0.5 })).toMatchObject({ width: 24, contrastiveScale: 0.5 });
    expect(authors('mgnns')).toMatchObject({ width: 300, objects: 80, scenes: 365, thresholds: { objects: 0.6 } });
    expect(authors('mvan')).toEqual(comparedOptions(configOf('mvan', { compared: {} })));
    const names = (preset: string) => {
      const method = createMethod(configOf('clmlf', { compared: { preset, width: 12, heads: 2 } }), SHAPES);
      return [...flattenTree<HostTensor>(method.initialParameters(createRandom(1)).trained).keys()];
    };
    expect(names('compact')).toContain('text.projection.kernel');
    expect(names('authors')).not.toContain('text.projection.kernel');
  });

  it('records every option of the compact preset, as runs always did', () => {
    expect(configOf('clmlf', { compared: {} }).compared).toMatchObject({ preset: 'compact', width: 128, hops: 3 });
    expect(configOf('clmlf', { compared: { preset: 'authors' } }).compared).toEqual({ preset: 'authors' });
  });

  it('refuses shapes without tokens for a method that reads them', () => {
    const { imageDim, textDim, classes } = SHAPES;
    expect(() =>
      createMethod(configOf('mvan'), { imageDim, textDim, classes }).initialParameters(createRandom(1)),
    ).toThrow('A method that reads tokens expected shapes with the layout of tokens, received none');
  });
});
