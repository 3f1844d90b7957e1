import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import type { Engine } from '@drf/tensor';
import { evaluate, makeExample, relativeError } from './testing/examples.js';
import { drfConfig, type DrfAblations } from './index.js';

let engine: Engine;
let complete: Map<string, number[]>;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
beforeEach(async () => void (complete = await without()));
afterAll(() => engine.dispose());

function without(...names: (keyof DrfAblations)[]): Promise<Map<string, number[]>> {
  const off = Object.fromEntries(names.map((name) => [name, false]));
  const ablations = { ...drfConfig(4).ablations, ...off };
  const example = makeExample({ batch: 5, config: { ablations } });
  return evaluate(engine, example, example.memory.inputs());
}

const partsOf = (outputs: Map<string, number[]>): string[] =>
  [...outputs.keys()].filter((name) => name.startsWith('parts.')).map((name) => name.slice('parts.'.length));
const number = (outputs: Map<string, number[]>, name: string): number => outputs.get(name)?.[0] as number;

/** Outputs that are the same in both, but for rounding. */
function expectUnchanged(outputs: Map<string, number[]>, names: readonly string[]): void {
  for (const name of names)
    expect(relativeError(outputs.get(name), complete.get(name) as number[]), name).toBeLessThan(1e-6);
}

const PREDICTION = ['prediction.logits', 'prediction.probabilities', 'prediction.details.weights'];
const OBSERVATIONS = [
  'observations.image.features',
  'observations.image.admitted',
  'observations.text.features',
  'observations.text.admitted',
];
const SAMPLE = ['sampleImageToText', 'sampleTextToImage'];
const DISTRIBUTION = ['distributionImageToText', 'distributionTextToImage'];
const prefixed = (names: string[]): string[] => names.map((name) => `parts.${name}`);

describe('each ablation switch changes what it says and nothing else', () => {
  it('all on: six parts', () => {
    expect(partsOf(complete).sort()).toEqual([...SAMPLE, ...DISTRIBUTION, 'classification', 'distribution'].sort());
  });

  it.each([
    ['sampleRecovery', SAMPLE],
    ['distributionRecovery', DISTRIBUTION],
    ['distributionConstraint', ['distribution']],
  ] as const)('%s: its parts are gone from the loss, predictions and queues stay', async (name, removed) => {
    const outputs = await without(name);
    const left = partsOf(complete).filter((part) => !(removed as readonly string[]).includes(part));
    expect(partsOf(outputs).sort()).toEqual(left.sort());
    expectUnchanged(outputs, [...prefixed(left), ...PREDICTION, ...OBSERVATIONS]);
    const difference = removed.reduce((sum, part) => sum + number(complete, `parts.${part}`), 0);
    expect(number(outputs, 'total')).toBeCloseTo(number(complete, 'total') - difference, 4);
  });

  it('gaussianProbability: equal weights; losses of recovery and distribution and the queues stay', async () => {
    const outputs = await without('gaussianProbability');
    const third = Math.fround(1 / 3);
    const weights = outputs.get('prediction.details.weights') as number[];
    expect(weights.slice(0, 9)).toEqual([third, third, third, 0, 0, 1, 0, 1, 0]);
    expect(complete.get('prediction.details.weights')).not.toEqual(weights);
    expectUnchanged(outputs, [...prefixed([...SAMPLE, ...DISTRIBUTION, 'distribution']), ...OBSERVATIONS]);
    // a post with a single pair has weight 1 either way
    expect(outputs.get('prediction.logits')?.slice(3, 9)).toEqual(complete.get('prediction.logits')?.slice(3, 9));
    expect(outputs.get('prediction.logits')?.slice(0, 3)).not.toEqual(complete.get('prediction.logits')?.slice(0, 3));
  });

  it('pairExpansion: one pair a post; losses of recovery and distribution and the queues stay', async () => {
    const outputs = await without('pairExpansion');
    expect(outputs.get('prediction.details.weights')).toEqual([1, 1, 1, 1, 1]);
    expectUnchanged(outputs, [...prefixed([...SAMPLE, ...DISTRIBUTION, 'distribution']), ...OBSERVATIONS]);
    // a post that lacks a modality has one pair either way: its own feature and the recovered one
    expect(outputs.get('prediction.logits')?.slice(3, 9)).toEqual(complete.get('prediction.logits')?.slice(3, 9));
    expect(outputs.get('prediction.logits')?.slice(0, 3)).not.toEqual(complete.get('prediction.logits')?.slice(0, 3));
  });

  it('all off: classification alone, and the converters still learn from it where a modality is missing', async () => {
    const outputs = await without(
      'sampleRecovery',
      'distributionRecovery',
      'gaussianProbability',
      'pairExpansion',
      'distributionConstraint',
    );
    expect(partsOf(outputs)).toEqual(['classification']);
    expect(number(outputs, 'total')).toBe(number(outputs, 'parts.classification'));
    const slopes = outputs.get('gradients.parameters.imageToText.output.bias') as number[];
    expect(slopes.some((slope) => slope !== 0)).toBe(true);
  });
});
