import { describe, expect, it } from 'vitest';
import { defineExperiment, departuresFromLetter, drfForm, parseForMethod } from './index.js';

const file = defineExperiment({
  name: 'test',
  dataset: { name: 'embedded' },
  model: { dim: 8, standardize: true, lossScales: { recovery: 0.01 } },
  training: { epochs: 3 },
  methods: {
    'drf-paper': { model: { standardize: false, lossScales: { recovery: 1 } } },
    hsan: { training: { epochs: 9 } },
  },
});
const parse = (...layers: unknown[]) => parseForMethod(file, layers, 'Experiment test');

describe('options by method', () => {
  it('are laid over the experiment for their method alone', () => {
    expect(parse()).toMatchObject({ method: 'drf', model: { standardize: true, lossScales: { recovery: 0.01 } } });
    expect(parse({ method: 'drf-paper' }).model).toMatchObject({
      dim: 8,
      standardize: false,
      lossScales: { recovery: 1 },
    });
    expect(parse({ method: 'hsan' }).training.epochs).toBe(9);
    expect('methods' in parse()).toBe(false);
  });

  it('give way to what is said later', () => {
    const schedules = { methods: { hsan: { training: { epochs: 5, learningRate: 1e-3 } } } };
    expect(parse(schedules, { method: 'hsan' }).training).toMatchObject({ epochs: 5, learningRate: 1e-3 });
    expect(parse(schedules, { method: 'hsan', training: { epochs: 1 } }).training).toMatchObject({ epochs: 1 });
    expect(parse({ method: 'drf-paper', model: { lossScales: { recovery: 0.5 } } }).model.lossScales.recovery).toBe(
      0.5,
    );
  });

  it('are refused for unknown methods and in another form', () => {
    expect(() => parse({ methods: { hsam: {} } })).toThrow(/Experiment test, option "methods" expected .*"hsam".*hsan/);
    expect(() => parse({ methods: ['hsan'] })).toThrow(/received \["hsan"\]/);
    expect(() => parse({ methods: { drf: { training: { epoch: 1 } } } })).toThrow(/"training.epoch"/);
  });
});

describe('the forms of DRF', () => {
  const form = (method: string, model = {}) => drfForm(parse({ method, model }));

  it('are the paper to the letter, or depart from it', () => {
    expect(form('drf-paper')).toEqual({ weighting: 'density', recoveryTargetGradient: true, fusionLayers: 3 });
    expect(form('drf-adapted')).toEqual({ weighting: 'normalized', recoveryTargetGradient: false, fusionLayers: 3 });
    expect(form('drf')).toEqual({ weighting: 'normalized', recoveryTargetGradient: false, fusionLayers: 2 });
  });

  it('name what departs from the letter', () => {
    const departures = (method: string, model = {}, training = {}) =>
      departuresFromLetter(parse({ method, model, training }));
    expect(departures('drf-paper')).toEqual([]);
    expect(departures('drf-adapted')).toEqual([]);
    const model = { weighting: 'normalized', standardize: true, featureNorm: 'unit', lossScales: { recovery: 0.1 } };
    expect(departures('drf-paper', { ...model, recoveryTargetGradient: false, fusionLayers: 2 })).toEqual([
      'weighting normalized',
      'constant recovery targets',
      '2 fusion layers',
      'standardized features',
      'features of unit norm',
      'factor 0.1 of the recovery loss',
    ]);
    expect(departures('drf-paper', {}, { simulation: { share: 0.5 } })).toEqual([
      'simulated disruptions of a share of 0.5',
    ]);
  });

  it('take what options say', () => {
    const options = { weighting: 'relative', recoveryTargetGradient: false, fusionLayers: 2 };
    expect(form('drf-paper', options)).toEqual(options);
  });
});
