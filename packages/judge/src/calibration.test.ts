import { describe, expect, it } from 'vitest';
import { assertCalibration, CALIBRATION_FORMAT, describeCalibration, type Calibration } from './calibration.js';

const quality = { image: [-3, -2, -1], text: null };
const earlier = (temperature: number, posts: number) => ({
  format: 'drf-calibration-1',
  checkpoint: 'step-3.safetensors',
  temperature: { temperature, before: 0.5, after: 0.1, posts },
  quality,
});

describe('assertCalibration', () => {
  it('keeps a temperature of an earlier version that enough posts had told', () => {
    const read = assertCalibration('calibration.json', earlier(1.4, 200));
    expect(read.format).toBe(CALIBRATION_FORMAT);
    expect(read.temperature).toMatchObject({ temperature: 1.4, posts: 200, basis: 'fitted' });
    expect(read.quality).toMatchObject({ ...quality, measuredOn: 'training' });
    expect(describeCalibration(read)).toEqual([
      'Probabilities are calibrated on 200 validation posts: temperature 1.40.',
      'Quality compares with the training posts themselves: new ones look a little worse than they are.',
    ]);
  });

  it.each([
    [0.05, 4, 'few-posts'],
    [1.1, 29, 'few-posts'],
    [0.050000021687601974, 50, 'at-bound'],
    [19.996530587135087, 50, 'at-bound'],
  ])('takes 1 for a temperature of an earlier version of %f by %i posts', (temperature, posts, basis) => {
    const read = assertCalibration('calibration.json', earlier(temperature, posts));
    expect(read.temperature).toMatchObject({ temperature: 1, basis });
    expect(describeCalibration(read)[0]).toMatch(/^Probabilities are the model’s own, not calibrated: /);
  });

  const present: Calibration = {
    format: CALIBRATION_FORMAT,
    checkpoint: 'step-3.safetensors',
    temperature: { temperature: 1, before: 0.5, after: 0.5, posts: 1, basis: 'few-posts' },
    quality: { ...quality, measuredOn: 'validation', posts: { image: 120, text: 0 } },
  };

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a temperature of 0', { ...present, temperature: { ...present.temperature, temperature: 0 } }],
    ['an infinite temperature', { ...present, temperature: { ...present.temperature, temperature: Infinity } }],
    ['a temperature of no posts', { ...present, temperature: { temperature: 1 } }],
    ['quantiles that descend', { ...present, quality: { ...present.quality, image: [2, 1] } }],
    ['a quality of unknown posts', { ...present, quality }],
    ['a checkpoint without a name', { ...present, checkpoint: null }],
    ['another format', { ...present, format: 'drf-calibration-9' }],
  ])('refuses %s', (_, value) => {
    expect(() => assertCalibration('run/calibration.json', value)).toThrow(
      /^run\/calibration.json expected a calibration of format drf-calibration-2, received (a damaged one|format .*); restore the file, or train again$/,
    );
  });

  it('gives what it was given', () => {
    expect(assertCalibration('calibration.json', present)).toEqual(present);
    expect(describeCalibration(present)).toEqual([
      'Probabilities are the model’s own, not calibrated: 1 validation post cannot tell how sure to be (30 can).',
      'Quality compares with 120 images and 0 texts of the validation posts.',
    ]);
    expect(describeCalibration({ ...present, temperature: null, quality: null })).toEqual([
      'Probabilities are the model’s own, not calibrated: there are no validation posts.',
    ]);
  });
});
