import { parseStrategy } from '@drf/disruption';
import { parseExperiment, type ExperimentConfig } from '@drf/experiment';
import { classificationReport } from '@drf/metrics';
import { parseCell } from '../cells.js';
import { RESULT_VERSION } from '../grid/tasks.js';
import { RESULT_FORMAT, robustnessCurves, type CellResult, type EvaluationResult } from '../result.js';
import type { TrainingRecord } from '../store/records.js';

/** A cell of ten posts, five of each class `bad` and `good`, of which the first `right` are answered rightly. */
export function syntheticCell(cell: string, right: number, extra: Partial<CellResult> = {}): CellResult {
  const strategy = parseStrategy(cell === 'clean' ? 'none' : cell);
  const labels = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
  const predictions = labels.map((label, post) => (post < right ? label : 1 - label));
  return {
    cell,
    kind: strategy.kind,
    modality: strategy.kind === 'modality-fixed' ? strategy.modality : null,
    setting: 'setting' in strategy ? strategy.setting : null,
    ratio: strategy.kind === 'modality-random' ? strategy.ratio : null,
    disrupted: { image: { corrupted: 0, discarded: 0 }, text: { corrupted: 0, discarded: 0 } },
    report: classificationReport(labels, predictions, ['bad', 'good']),
    paper: null,
    quality: null,
    manifest: strategy.kind === 'none' ? null : 'manifests/cell.jsonl',
    ...extra,
  };
}

export function syntheticResult(
  cells: readonly CellResult[],
  overrides: {
    readonly run?: Partial<EvaluationResult['run']>;
    readonly evaluation?: Partial<EvaluationResult['evaluation']>;
  } & Partial<Pick<EvaluationResult, 'notes' | 'unreadable' | 'missingCells'>> = {},
): EvaluationResult {
  const { run, evaluation, ...others } = overrides;
  const dataset = evaluation?.dataset ?? 'embedded';
  return {
    format: RESULT_FORMAT,
    run: {
      path: 'runs/one',
      name: 'one',
      method: 'drf',
      departures: [],
      ablations: [],
      seed: 0,
      trainingDisruption: 'none',
      trainedEncoders: [],
      dataset,
      checkpoint: 'step-3.safetensors',
      step: 3,
      epoch: 1,
      git: null,
      ...run,
    },
    evaluation: {
      dataset,
      split: 'test',
      posts: 10,
      postsHash: 'posts',
      classes: ['bad', 'good'],
      seed: 0,
      manifest: null,
      engine: 'eager:cpu',
      encoders: { image: 'an-image-encoder', text: 'a-text-encoder' },
      ...evaluation,
    },
    notes: [],
    unreadable: [],
    missingCells: [],
    ...others,
    cells,
    curves: robustnessCurves(cells, dataset),
  };
}

/** An experiment with every default, and what a test changes. */
export function syntheticConfig(overrides: Record<string, unknown> = {}): ExperimentConfig {
  const base = { name: 'synthetic', dataset: { name: 'mvsa-single', root: 'data' } };
  return parseExperiment({ ...base, ...overrides }, 'synthetic experiment');
}

/** A run as a store takes it: cells of ten posts as those of {@link syntheticCell}. */
export function syntheticRecord(
  config: ExperimentConfig,
  path: string,
  cells: readonly CellResult[],
  { hash = 'posts', dataset = config.dataset.name } = {},
): TrainingRecord {
  return {
    identity: path,
    resultVersion: RESULT_VERSION,
    experiment: config.name,
    fold: null,
    method: config.method,
    without: null,
    config,
    versions: { node: '', platform: '', packages: {}, git: null },
    encoders: { image: 'an-image-encoder', text: 'a-text-encoder' },
    engine: 'eager:cpu',
    best: null,
    seconds: 1,
    parameters: 10,
    memoryBytes: null,
    folder: path,
    epochs: [],
    posts: {
      hash,
      dataset,
      split: 'test',
      classes: ['bad', 'good'],
      ids: Array.from({ length: 10 }, (_, post) => String(post)),
      labels: Int32Array.from([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
    },
    cells: cells.map(({ cell, report, quality }) => {
      const { testedOn } = parseCell(cell);
      const right = Math.round(10 * report.accuracy);
      const answers = Array.from({ length: 10 }, (_, post) => (post < right ? post % 2 : 1 - (post % 2)));
      return {
        identity: `${path} ${cell}`,
        testedOn,
        report,
        quality,
        manifest: testedOn.kind === 'none' ? null : { seed: config.seed, mask: '[MASK]', entries: [] },
        probabilities: Float32Array.from(answers.flatMap((answer) => [1 - answer, answer])),
        available: { image: new Float32Array(10).fill(1), text: new Float32Array(10).fill(1) },
        densities: null,
        weights: null,
        features: [],
      };
    }),
  };
}
