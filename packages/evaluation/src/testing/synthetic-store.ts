import { join } from 'node:path';
import { planDisruptions } from '@drf/disruption';
import { openExperimentData, parseExperiment, type ExperimentConfig } from '@drf/experiment';
import { classificationReport } from '@drf/metrics';
import { createRandom, hostTensor, type Random } from '@drf/tensor';
import { parseCell, type Fold } from '../cells.js';
import { postsHash } from '../posts.js';
import { RESULT_VERSION } from '../grid/tasks.js';
import type { CellRecord, TrainingRecord } from '../store/records.js';
import { ResultStore, STORE_NAME } from '../store/result-store.js';

const CLASSES = ['positive', 'neutral', 'negative'];
const POSTS = 60;
const WIDTH = 6;
/** Share of right answers on intact posts; DRF is better by far, so that a verdict stands. */
const SKILL: Readonly<Record<string, number>> = { drf: 0.95, concatenation: 0.4 };

function syntheticConfig(method: string, seed: number, disruption: string, without: string | null): ExperimentConfig {
  const ablations = without === null ? {} : { pairExpansion: false };
  return parseExperiment(
    {
      name: 'quickstart',
      method,
      seed,
      dataset: { name: 'embedded', limit: POSTS, imageSize: 32 },
      model: { dim: WIDTH, ablations },
      training: { disruption },
    },
    'synthetic',
  );
}

/**
 * A store of every kind of cell over embedded posts, its answers drawn instead of computed.
 * @param fold one part of a cross-validation, added to what the folder's store has of others
 * @param place a folder, or a store to fill
 * @returns the folder's store
 */
export async function syntheticStore(
  place: string | ResultStore,
  seeds = [0, 1, 2, 3, 4],
  fold?: Fold,
): Promise<string> {
  const config = syntheticConfig('drf', 0, 'none', null);
  const { dataset, splits } = await openExperimentData({ ...config.dataset, ...fold });
  const records = splits.test;
  const labels = records.map(({ label }) => label);
  const posts = {
    hash: postsHash(records),
    dataset: dataset.name,
    split: 'test',
    classes: CLASSES,
    ids: records.map(({ id }) => id),
    labels: Int32Array.from(labels),
  };
  const path = typeof place === 'string' ? join(place, STORE_NAME) : '';
  const store = typeof place === 'string' ? new ResultStore(path, 'write') : place;
  const fixed = ['clean', 'fixed:image:C', 'fixed:image:D', 'fixed:text:C', 'fixed:text:D'];
  const add = (method: string, seed: number, disruption: string, without: string | null, names: string[]): void => {
    const random = createRandom(seed).fork(`${method} ${disruption} ${without}`);
    const config = syntheticConfig(method, seed, disruption, without);
    const cells = names.map((name) => cellRecord(method, seed, name, posts, random.fork(name)));
    store.add(recordOf(config, fold, without, cells, posts, random));
  };
  for (const seed of seeds) {
    for (const method of ['drf', 'concatenation']) {
      add(method, seed, 'none', null, fixed);
      for (const strategy of ['random:0.4:D', 'random:1:D']) add(method, seed, strategy, null, ['clean', strategy]);
    }
    add('drf', seed, 'none', 'no-pair-expansion', fixed);
  }
  if (typeof place === 'string') store.close();
  return path;
}

function cellRecord(
  method: string,
  seed: number,
  name: string,
  posts: TrainingRecord['posts'],
  random: Random,
): CellRecord {
  const { testedOn } = parseCell(name);
  const presence = posts.ids.map((id) => ({ id, hasImage: true, hasText: true }));
  const entries = planDisruptions(presence, testedOn, seed);
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const skill = (SKILL[method] as number) - (entries.length === 0 ? 0 : 0.05);
  const probabilities = Float32Array.from([...posts.labels].flatMap((label) => rowFor(label, skill, random)));
  const isThere = (modality: 'image' | 'text'): Float32Array =>
    Float32Array.from(posts.ids, (id) => {
      const entry = byId.get(id);
      return entry?.operation === 'discard' && entry.modality === modality ? 0 : 1;
    });
  const noise = (shift = 0): Float32Array => Float32Array.from(posts.ids, () => random.normal() - shift);
  const isDrf = method === 'drf';
  const discarded = entries.filter(({ operation }) => operation === 'discard').length;
  return {
    identity: `${method} ${seed} ${name} ${posts.hash} ${random.uniform()}`,
    testedOn,
    report: classificationReport(posts.labels, hostTensor(probabilities, [posts.ids.length, 3]), CLASSES),
    quality: isDrf && name.endsWith(':C') ? { image: 0.9, text: null } : null,
    manifest: entries.length === 0 ? null : { seed, mask: '[MASK]', entries },
    probabilities,
    available: { image: isThere('image'), text: isThere('text') },
    ...(isDrf
      ? {
          densities: {
            image: noise(name === 'fixed:image:C' ? 2 : 0),
            text: noise(name === 'fixed:text:C' ? 2 : 0),
            recoveredText: noise(),
            recoveredImage: noise(),
          },
          weights: { both: noise(), image: noise(), text: noise() },
        }
      : { densities: null, weights: null }),
    features:
      isDrf && seed === 0 && name.startsWith('random') && discarded > 0
        ? [
            {
              modality: 'image',
              positions: Int32Array.from({ length: discarded }, (_, i) => i),
              width: WIDTH,
              recovered: Float32Array.from({ length: discarded * WIDTH }, () => random.normal()),
              original: Float32Array.from({ length: discarded * WIDTH }, () => 3 + random.normal()),
            },
          ]
        : [],
  };
}

/** A row of probabilities whose largest is the label with the given chance. */
function rowFor(label: number, skill: number, random: Random): number[] {
  const answer = random.uniform() < skill ? label : (label + 1) % 3;
  const confidence = 0.5 + 0.4 * random.uniform();
  return [0, 1, 2].map((index) => (index === answer ? confidence : (1 - confidence) / 2));
}

function recordOf(
  plain: ExperimentConfig,
  fold: Fold | undefined,
  without: string | null,
  cells: readonly CellRecord[],
  posts: TrainingRecord['posts'],
  random: Random,
): TrainingRecord {
  const config = { ...plain, dataset: { ...plain.dataset, ...fold } };
  const { name, method, seed, training } = config;
  return {
    identity: [name, fold?.fold, method, seed, training.disruption, without].join(' '),
    resultVersion: RESULT_VERSION,
    experiment: name,
    fold: fold ?? null,
    method,
    without,
    config,
    versions: { node: '', platform: '', packages: {}, git: 'abcdef' },
    encoders: { image: 'i', text: 't' },
    engine: 'compiled',
    best: { epoch: 2, step: 8, score: 0.5 },
    seconds: 2,
    parameters: 1234,
    memoryBytes: 2 ** 28,
    folder: 'trainings/x',
    epochs: [1, 2].map((epoch) => ({
      epoch,
      step: 4 * epoch,
      trainLoss: 1 / epoch,
      trainParts: { classification: 1 / epoch },
      valAccuracy: 0.5 + 0.1 * random.uniform(),
      valWeightedF1: 0.5,
      valLoss: 0.9,
    })),
    posts,
    cells,
  };
}
