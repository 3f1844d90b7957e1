import { fixedStrategies, SETTINGS, strategyFileName, type Setting, type Strategy } from '@drf/disruption';
import { barChart, intervalChart, lineChart, scatterChart, type Chart, type Point, type Series } from '@drf/experiment';
import { auroc, summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { createRandom, MODALITIES, type Modality } from '@drf/tensor';
import { TSNE, UMAP } from '@saehrimnir/druidjs';
import { CLEAN, isSameStrategy } from '../cells.js';
import type { OnProgress } from '../display.js';
import { paperFiguresOf, paperName } from '../paper.js';
import { cellsOf, systemName, type Comparison, type Study, type System } from '../statistics/compare.js';
import {
  ablatedSystems,
  curveOf,
  DISRUPTED,
  meanAccuracy,
  methodsOf,
  paperMean,
  ratioOf,
  summaryOf,
} from '../statistics/tables.js';
import { severityCurve, severityStudies, severityTitle } from '../statistics/robustness.js';
import type { StoredCell } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';
import type { Projection } from '../names.js';

export type { Projection } from '../names.js';

const INTACT = { trainedOn: CLEAN, testedOn: CLEAN };
const DR = 'share dr of disrupted posts';

function bandPoint(x: number, { mean, interval }: SeedSummary, scale = 100): Point {
  const y = scale * mean;
  if (interval === null) return { x, y };
  // intervals of few seeds leave the range of what they measure; no chart should make room for that
  const most = scale === 100 ? 100 : Infinity;
  return { x, y, low: Math.max(0, scale * interval.low), high: Math.min(most, scale * interval.high) };
}

/** Figure 5: accuracy against dr, a chart a setting, with 95 % intervals over seeds as far as they can be told apart. */
export function robustnessCharts(study: Study, reference: string): Chart[] {
  return SETTINGS.flatMap((setting): Chart[] => {
    const curves = methodsOf(study, reference)
      .map((system) => ({ name: systemName(system), ...curveOf(study, system, setting) }))
      .filter(({ points }) => points.length > 1);
    if (curves.length === 0) return [];
    const areFew = curves.length <= MOST_BANDS;
    const series = curves.map(({ name, points }): Series => {
      const banded = points.map(({ ratio, accuracy }) => bandPoint(ratio, accuracy));
      return { name, points: areFew || name === reference ? banded : banded.map(({ x, y }) => ({ x, y })) };
    });
    const title = `Accuracy against dr, setting ${setting}, with 95 % intervals over seeds${areFew ? '' : ` of ${reference}`}`;
    return [lineChart(`robustness-${setting}`, title, series, { xName: DR, yName: 'accuracy, %' })];
  });
}

/** Accuracy against severity, a chart a corruption and training; severity 0 is intact posts. */
export function severityCharts(study: Study, reference: string): Chart[] {
  return severityStudies(study).flatMap(({ corruption, trainedOn }): Chart[] => {
    const curves = methodsOf(study, reference)
      .map((system) => ({ name: systemName(system), points: severityCurve(study, system, corruption, trainedOn) }))
      .filter(({ points }) => points.length > 1);
    if (curves.length === 0) return [];
    const series = curves.map(({ name, points }): Series => {
      const banded = points.map(({ severity, accuracy }) => bandPoint(severity, accuracy));
      const isBanded = curves.length <= MOST_BANDS || name === reference;
      return { name, points: isBanded ? banded : banded.map(({ x, y }) => ({ x, y })) };
    });
    const trained = trainedOn.kind === 'none' ? '' : `-${strategyFileName(trainedOn)}`;
    const axes = { xName: 'severity (0: intact)', yName: 'accuracy, %', xWhole: true };
    return [lineChart(`severity-${corruption}${trained}`, severityTitle(corruption, trainedOn), series, axes)];
  });
}

const MOST_BANDS = 3;

/** Table 1 in short: each method's mean accuracy on intact posts and with either modality disrupted. */
export function disruptionChart(study: Study, reference: string): Chart[] {
  const percentOf = (value: number | null): number | null => (value === null ? null : 100 * value);
  const bars = methodsOf(study, reference).map((system) => ({
    name: systemName(system),
    values: DISRUPTED.map(({ strategies }) => percentOf(meanAccuracy(study, system, strategies))),
  }));
  if (bars.every(({ values }) => values.slice(1).every((value) => value === null))) return [];
  const paper = DISRUPTED.map(({ strategies }) => percentOf(paperMean(study, strategies)));
  const marks = paper.some((value) => value !== null) ? [{ name: 'DRF in the paper', values: paper }] : [];
  const title = 'Mean accuracy by what is disrupted, trained on intact posts';
  const names = DISRUPTED.map(({ name }) => name);
  return [barChart('disruption', title, names, bars, marks, 'accuracy, %')];
}

/** How far the reference lies from each other system on the mean over cells, with 95 % intervals. */
export function differenceChart(means: readonly Comparison[]): Chart[] {
  const [one] = means;
  if (one === undefined) return [];
  const rows = means.map(({ second, difference, interval }) => ({
    name: systemName(second),
    low: 100 * interval.low,
    value: 100 * difference,
    high: 100 * interval.high,
  }));
  const title = `${systemName(one.first)} less each other method on the mean over cells with disruptions, with 95 % intervals`; // prettier-ignore
  return [intervalChart('differences', title, rows, 'points of accuracy')];
}

/** Table 4 as bars, the paper's values as marks. */
export function ablationCharts(study: Study): Chart[] {
  const systems = ablatedSystems(study);
  const [whole] = systems;
  if (whole === undefined) return [];
  return MODALITIES.flatMap((modality): Chart[] => {
    const of = (system: System, testedOn: Strategy): StoredCell[] =>
      cellsOf(study, system, { trainedOn: CLEAN, testedOn });
    const present = fixedStrategies().filter((own) => own.modality === modality && of(whole, own).length > 0);
    if (present.length === 0) return [];
    const percentOf = (value: number | undefined): number | null => (value === undefined ? null : 100 * value);
    const bars = systems.map((system) => ({
      name: system.without ?? `${system.method}, whole`,
      values: present.map((testedOn) => percentOf(summaryOf(of(system, testedOn), 'accuracy')?.mean)),
    }));
    const name = paperName(whole.method);
    const paper = present.map((testedOn) => percentOf(paperFiguresOf(name, [], study.dataset, testedOn)?.accuracy));
    const marks = paper.some((value) => value !== null) ? [{ name: 'paper, whole', values: paper }] : [];
    const title = `Without one part: accuracy with the ${modality} disrupted`;
    const settings = present.map(({ setting }) => setting);
    return [barChart(`ablation-${modality}`, title, settings, bars, marks, 'accuracy, %')];
  });
}

/** Figure 6: true and recovered features of discarded modalities in the plane, at growing dr. */
export function featureCharts(
  store: ResultStore,
  study: Study,
  projection: Projection,
  onProgress: OnProgress = () => undefined,
): Chart[] {
  const own = study.cells.filter(
    ({ trainedOn, testedOn, without }) => isSameStrategy(trainedOn, testedOn) && without === null,
  );
  const withFeatures = own.filter((cell) => store.features(cell).length > 0);
  const methods = [...new Set(withFeatures.map(({ method }) => method))];
  const due = methods.flatMap((method) => {
    const cells = withFeatures.filter((cell) => cell.method === method);
    const setting = cells.some((cell) => settingOf(cell) === 'D') ? 'D' : 'C+D';
    const chosen = cells
      .filter((cell) => settingOf(cell) === setting)
      .sort((one, other) => ratioOf(one.testedOn) - ratioOf(other.testedOn));
    return MODALITIES.flatMap((modality) => chosen.map((cell) => ({ cell, modality })));
  });
  return due.flatMap(({ cell, modality }, i) => {
    const chart = featureChart(store, cell, modality, projection);
    onProgress('Projecting features', i + 1, due.length);
    return chart;
  });
}

function settingOf({ testedOn }: StoredCell): Setting | null {
  return 'setting' in testedOn ? testedOn.setting : null;
}

/** Posts of a chart; of more, so many are drawn by chance, since a layout takes time by their square. */
export const MOST_DRAWN = 400;

function featureChart(store: ResultStore, cell: StoredCell, modality: Modality, projection: Projection): Chart[] {
  const features = store.features(cell).find((own) => own.modality === modality);
  if (features === undefined || features.positions.length < 4) return [];
  const { width, original, recovered } = features;
  const places = createRandom(cell.seed)
    .fork('figure-6')
    .shuffle([...features.positions.keys()])
    .slice(0, MOST_DRAWN);
  const count = places.length;
  const rows = (data: Float32Array): Float32Array[] => places.map((i) => data.subarray(i * width, (i + 1) * width));
  const plane = projectToPlane([...rows(original), ...rows(recovered)], projection, cell.seed);
  if (plane === null) return [];
  const title = `${cell.method}: ${modality} features at dr ${ratioOf(cell.testedOn)}, setting ${settingOf(cell)}`;
  const clouds = [
    { name: 'true', points: plane.slice(0, count) },
    { name: 'recovered', points: plane.slice(count) },
  ];
  return [scatterChart(`features-${cell.method}-${modality}-${ratioOf(cell.testedOn)}`, title, clouds)];
}

/** Levels of corruption: the share of pixels or words. */
const LEVELS = [
  [0.4, 0.5],
  [0.5, 0.6],
  [0.6, 0.7],
  [0.7, 0.8],
] as const;

/** Distribution of the quality estimate of intact and of corrupted posts, with the AUROC, a chart a method and modality. */
export function qualityCharts(store: ResultStore, study: Study, reference: string): Chart[] {
  return methodsOf(study, reference).flatMap((system) =>
    MODALITIES.flatMap((modality): Chart[] => {
      const corruption = { kind: 'modality-fixed', modality, setting: 'C' } as const;
      const disrupted = cellsOf(study, system, { trainedOn: CLEAN, testedOn: corruption });
      const clean = cellsOf(study, system, INTACT);
      const intact = clean.flatMap((cell) => densitiesOf(store, cell, modality).map(({ value }) => value));
      const corrupted = disrupted.flatMap((cell) => densitiesOf(store, cell, modality));
      if (intact.length < 2 || corrupted.length < 2) return [];
      const scores = [...corrupted.map(({ value }) => value), ...intact].map((value) => -value);
      const area = auroc(scores, [...corrupted.map(() => true), ...intact.map(() => false)]);
      const all = [...intact, ...corrupted.map(({ value }) => value)].sort((a, b) => a - b);
      const range = [Math.floor(quantileOf(all, 0.005)), Math.ceil(quantileOf(all, 0.995))] as const;
      const levels = LEVELS.flatMap(([from, to]): Series[] => {
        const own = corrupted.filter(({ fraction }) => fraction !== null && fraction >= from && fraction < to);
        return own.length < 5
          ? []
          : [
              {
                name: `${100 * from}–${100 * to} %`,
                points: density(
                  own.map(({ value }) => value),
                  range,
                ),
              },
            ];
      });
      const series: Series[] = [{ name: 'intact', points: density(intact, range) }, ...levels];
      const title = `${systemName(system)}: quality of the ${modality} by share of ${modality === 'image' ? 'pixels blackened' : 'words masked'}; AUROC ${area.toFixed(3)}`;
      const axes = { xName: 'quality, in nats', yName: 'frequency' };
      return [lineChart(`quality-${system.method}-${modality}`, title, series, axes)];
    }),
  );
}

function densitiesOf(
  store: ResultStore,
  cell: StoredCell,
  modality: Modality,
): { readonly value: number; readonly fraction: number | null }[] {
  const fractions = new Map(store.disruptions(cell).map(({ position, fraction }) => [position, fraction]));
  const isClean = cell.disruptionKey === null;
  return store.predictions(cell).flatMap(({ position, densities }) => {
    const value = densities[modality];
    if (value === null || (!isClean && !fractions.has(position))) return [];
    return [{ value, fraction: fractions.get(position) ?? null }];
  });
}

const quantileOf = (sorted: readonly number[], share: number): number =>
  sorted[Math.round(share * (sorted.length - 1))] as number;

const DENSITY_POINTS = 60;

/** Gaussian kernels with Silverman's width (Density Estimation, 1986, eq. 3.31). */
function density(values: readonly number[], [low, high]: readonly [number, number]): Point[] {
  const { standardDeviation } = summarizeSeeds(values);
  const sorted = [...values].sort((a, b) => a - b);
  const spread = Math.min(
    standardDeviation ?? 1,
    (quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25)) / 1.34 || Infinity,
  );
  const width = Math.max(0.9 * spread * values.length ** -0.2, (high - low) / 500, 1e-9);
  return Array.from({ length: DENSITY_POINTS }, (_, i) => {
    const x = low + ((high - low) * i) / (DENSITY_POINTS - 1);
    const sum = values.reduce((total, value) => total + Math.exp(-0.5 * ((x - value) / width) ** 2), 0);
    return { x: Number(x.toPrecision(5)), y: sum / (values.length * width * Math.sqrt(2 * Math.PI)) };
  });
}

/** Reliability: how often answers of a confidence are right, over all seeds of the clean cell. */
export function reliabilityChart(store: ResultStore, study: Study, reference: string): Chart[] {
  const series = methodsOf(study, reference).flatMap((system): Series[] => {
    const cells = cellsOf(study, system, INTACT);
    const bins = cells.map((cell) => store.report(cell).calibration?.bins ?? []);
    const points = (bins[0] ?? []).flatMap((_, i): Point[] => {
      const own = bins.flatMap((all) => all[i] ?? []).filter(({ count }) => count > 0);
      const count = own.reduce((sum, bin) => sum + bin.count, 0);
      if (count < 10) return [];
      const mean = (figure: 'confidence' | 'accuracy'): number =>
        own.reduce((sum, bin) => sum + bin.count * (bin[figure] ?? 0), 0) / count;
      return [{ x: Math.round(100 * mean('confidence')), y: 100 * mean('accuracy') }];
    });
    return points.length < 2 ? [] : [{ name: systemName(system), points }];
  });
  if (series.length === 0) return [];
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  const ends = [Math.min(...xs), Math.max(...xs)].map((x) => ({ x, y: x }));
  const diagonal: Series = { name: 'perfect', points: ends, dashed: true };
  const title = 'Reliability on intact posts: share of right answers by confidence';
  return [lineChart('reliability', title, [...series, diagonal], { xName: 'confidence, %', yName: 'right, %' })];
}

/** Course of the trainings on intact posts: loss and validation accuracy, with 95 % intervals over seeds. */
export function trainingCharts(store: ResultStore, study: Study, reference: string): Chart[] {
  const course = (pick: (epoch: ReturnType<ResultStore['epochs']>[number]) => number | null, scale: number): Series[] =>
    methodsOf(study, reference).flatMap((system): Series[] => {
      const runs = cellsOf(study, system, INTACT).map((cell) => store.epochs(cell));
      const epochs = [...new Set(runs.flatMap((run) => run.map(({ epoch }) => epoch)))].sort((a, b) => a - b);
      const points = epochs.flatMap((epoch) => {
        const values = runs.flatMap((run) =>
          run.filter((own) => own.epoch === epoch).flatMap((own) => pick(own) ?? []),
        );
        return values.length === 0 ? [] : [bandPoint(epoch, summarizeSeeds(values), scale)];
      });
      return points.length === 0 ? [] : [{ name: systemName(system), points }];
    });
  const isBanded = new Set(study.cells.map(({ seed }) => seed)).size > 1;
  const bands = isBanded ? ', with 95 % intervals over seeds' : '';
  const charts = [
    {
      name: 'training-accuracy',
      title: `Validation accuracy by epoch${bands}`,
      yName: 'accuracy, %',
      series: course(({ valAccuracy }) => valAccuracy, 100),
    },
    {
      name: 'training-loss',
      title: `Classification loss on validation posts by epoch${bands}`,
      yName: 'loss',
      series: course(({ valLoss }) => valLoss, 1),
    },
  ];
  return charts
    .filter(({ series }) => series.length > 0)
    .map(({ name, title, yName, series }) => lineChart(name, title, series, { xName: 'epoch', yName, xWhole: true }));
}

/** t-SNE's, lowered for few rows (van der Maaten and Hinton 2008 advise 5 to 50; it must stay well below the rows). */
const PERPLEXITY = 30;
/** UMAP's, which needs more rows than neighbors. */
const NEIGHBORS = 15;

/**
 * Rows as points in the plane, the same from the same rows and seed. Only nearness means something.
 * @param rows at least 8, of one width
 * @returns a point for each row; null where the method finds no layout, as among rows of which most are equal
 */
export function projectToPlane(
  rows: readonly Float32Array[],
  projection: Projection,
  seed: number,
): [number, number][] | null {
  const count = rows.length;
  const data = rows.map((row) => [...row]);
  const options = { d: 2, seed: createRandom(seed).fork(projection).uint32() };
  const points =
    projection === 't-sne'
      ? TSNE.transform(data, { ...options, perplexity: Math.min(PERPLEXITY, Math.floor((count - 1) / 3)) })
      : UMAP.transform(data, { ...options, n_neighbors: Math.min(NEIGHBORS, count - 1) });
  const plane = points.map(([x = Number.NaN, y = Number.NaN]): [number, number] => [x, y]);
  return plane.every((point) => point.every(Number.isFinite)) ? plane : null;
}
