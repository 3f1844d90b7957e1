import { describe, expect, it } from 'vitest';
import { chooseExperiment } from './choose-experiment.js';
import { loadExperiment } from './experiments.js';
import { ownConfig } from './own-data.js';
import { PRESET_NAMES, PRESETS, presetsText, trainsAllFolds, underPreset, type PresetName } from './presets.js';

const ROOT = { dataset: { root: 'somewhere' } };

async function configured(experiment: string | object, preset?: PresetName, overrides: object = {}) {
  return (await chooseExperiment({ experiment, preset, overrides: { ...overrides } })).configure(ROOT);
}

const own = (preset: PresetName | undefined, posts: number, overrides: object = {}) =>
  ownConfig({ files: ['posts.csv'], preset, overrides: { ...overrides } }, posts);

describe('a preset', () => {
  it('fast is what is trained without one', async () => {
    expect(await configured('mvsa-s', 'fast')).toEqual(await configured('mvsa-s'));
    expect(await configured('quickstart', 'fast')).toEqual(await configured('quickstart'));
    for (const posts of [160, 5000]) expect(own('fast', posts)).toEqual(own(undefined, posts));
  });

  it('balanced is the experiment with a fine-tuned text encoder, which cuts texts', async () => {
    const texts = { encoders: { textLengths: [16, 32, 48] } };
    const { name, ...balanced } = await configured('mvsa-s', 'balanced', texts);
    expect({ ...balanced, name: 'mvsa-s-minilm' }).toEqual(await configured('mvsa-s-minilm'));
    expect(name).toBe('mvsa-s');
  });

  it('best trains the last layers of both encoders, in folds', async () => {
    const best = await configured('mvsa-s', 'best');
    expect(best).toMatchObject({
      method: 'drf',
      dataset: { name: 'mvsa-single', folds: 5, splitSizes: [3608, 451, 452] },
      encoders: {
        image: 'huggingface:facebook/dinov2-small',
        text: 'huggingface:sentence-transformers/all-MiniLM-L6-v2',
        imageSize: 112,
        trainable: { image: true, text: true },
        trainableLayers: { image: 2, text: 2 },
      },
      model: { standardize: true },
      training: { epochs: 3 },
    });
    expect(best.encoders.textLengths).toBeUndefined(); // texts of any length are read
    expect(own('best', 5000).dataset).toMatchObject({ name: 'posts', folds: 5 });
  });

  it.each(PRESET_NAMES)('%s takes more passes over fewer posts of one’s own', (preset) => {
    const epochs = [20, 160, 480, 50_000].map((posts) => own(preset, posts).training.epochs);
    expect(epochs).toEqual([20, 20, 10, preset === 'fast' ? 8 : 3]);
  });

  it.each(PRESET_NAMES)('%s lies over the experiment, and under what is said beside it', async (preset) => {
    const file = {
      ...{ name: 'mine', dataset: { name: 'embedded', folds: 3 }, seed: 4 },
      encoders: { image: 'someone/vit', imageSize: 64, trainable: { image: true }, lora: { rank: 4 } },
      model: { dim: 24, standardize: false },
      training: { epochs: 40, weightDecay: 0.5 },
      methods: { concatenation: { training: { epochs: 41 } } },
    };
    const config = await configured(file, preset);
    expect(config).toMatchObject({ seed: 4, training: { weightDecay: 0.5 }, model: { standardize: true } });
    expect(config.encoders).toMatchObject({ lora: { rank: 0 }, trainable: { image: preset === 'best' } });
    expect(config.encoders.image).not.toBe('someone/vit');
    expect(config.training.epochs).toBe(preset === 'fast' ? 40 : 3);
    expect((await configured(file, preset, { method: 'concatenation' })).training.epochs).toBe(preset === 'fast' ? 41 : 3); // prettier-ignore
    const said = {
      method: 'mvan',
      dataset: { folds: 2 },
      encoders: { image: 'their/vit', trainable: { text: false } },
      model: { standardize: false },
      training: { epochs: 7 },
    };
    expect(await configured(file, preset, said)).toMatchObject(said);
    expect(own(preset, 160, said)).toMatchObject(said);
  });

  it.each(PRESET_NAMES)(
    '%s brings no options of encoders that others stand for which cannot be trained',
    async (preset) => {
      const text = await configured('mvsa-s', preset, { encoders: { text: 'embedded' } });
      expect(text.encoders).toMatchObject({ text: 'embedded', trainable: { text: false, image: preset === 'best' } });
      const image = await configured('mvsa-s', preset, { encoders: { image: 'embedded' } });
      expect(image.encoders).toMatchObject({ image: 'embedded', trainable: { image: false, text: preset !== 'fast' } });
      expect([image.encoders.imageSize, image.encoders.trainableLayers.image]).toEqual([undefined, 'all']);
    },
  );

  it.each(PRESET_NAMES)('%s leaves the published method to the letter', async (preset) => {
    const { model } = await configured('mvsa-s', preset, { method: 'drf-paper' });
    expect(model).toMatchObject({ standardize: false, lossScales: { distribution: 1, recovery: 1 } });
  });

  it('of an unknown name is refused with the nearest', async () => {
    const wrong = 'balance' as PresetName;
    const message = 'Preset expected one of fast, balanced, best, received "balance"; did you mean "balanced"?';
    await expect(configured('mvsa-s', wrong)).rejects.toThrow(message);
    expect(() => own(wrong, 160)).toThrow(message);
    expect(() => trainsAllFolds(wrong, undefined)).toThrow(message);
    expect(() => underPreset({}, 'toString' as PresetName)).toThrow('received "toString"');
  });

  it('trains all folds where it says so and none is named', () => {
    expect(PRESET_NAMES.map((preset) => trainsAllFolds(preset, undefined))).toEqual([false, false, true]);
    expect([trainsAllFolds('best', '2'), trainsAllFolds('fast', 'all'), trainsAllFolds(undefined, undefined)]).toEqual([false, true, false]); // prettier-ignore
  });
});

describe('the help of presets', () => {
  it('says what each trains and what is known of it, and nothing of what is not', () => {
    const text = presetsText();
    const parts = text.split(/\n {2}(?=\w)/).slice(1);
    expect(parts.map((part) => part.split(' ')[0])).toEqual(PRESET_NAMES);
    for (const [i, part] of parts.entries()) expect(part.includes(' %')).toBe(Object.values(PRESETS)[i]?.measured?.accuracy !== undefined); // prettier-ignore
    expect(text).not.toMatch(/measured|undefined|NaN/);
  });

  it('puts figures into words', () => {
    const measured = { accuracy: { mean: 74.44, deviation: 1 }, minutes: 12, options: '--seed 1' };
    const text = presetsText({ a: { summary: 'nothing' }, bc: { summary: 'much', measured }, d: { summary: 'time', measured: { minutes: 3 } }, e: { summary: 'once', measured: { accuracy: { mean: 76.2 } } } }); // prettier-ignore
    expect(text.split('\n').slice(1)).toEqual([
      '  a   nothing',
      '  bc  much',
      '      74.4 ± 1.0 %, 12 min on two cores (with --seed 1)',
      '  d   time',
      '      3 min on two cores',
      '  e   once',
      '      76.2 % (one seed)',
    ]);
  });

  it('gives options that experiments take', async () => {
    for (const { measured: { options = '' } = {} } of Object.values(PRESETS)) {
      const { createProgram } = await import('@drf/terminal');
      const { addConfigFlags, overridesFrom } = await import('@drf/experiment');
      const program = addConfigFlags(createProgram('train', '', [])).exitOverride();
      program.parse(options.split(' ').filter(Boolean), { from: 'user' });
      await expect(loadExperiment('mvsa-s', { ...overridesFrom(program.opts()), ...ROOT })).resolves.toBeDefined();
    }
  });
});
