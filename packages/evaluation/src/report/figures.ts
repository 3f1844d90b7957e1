import { fixedStrategies, SETTINGS, type Setting, type Strategy } from '@drf/disruption';
import { auroc, summarizeSeeds } from '@drf/metrics';
import { createRandom, MODALITIES, type Modality } from '@drf/tensor';
import { CLEAN, isSameStrategy } from '../cells.js';
import { paperFiguresOf, paperName } from '../paper.js';
import { cellsOf, systemName, type Study, type System } from '../statistics/compare-systems.js';
import type { OnProgress } from '../statistics/stages.js';
import { ablationsOfStudy, methodsOf, pointsOf, randomStrategiesOf, ratioOf, summaryOf } from '../statistics/tables.js';
import type { ResultStore } from '../store/result-store.js';
import type { StoredCell } from '../store/records.js';
import { barChart, lineChart, scatterChart, type Chart, type Point, type Series } from './chart.js';
import { projectToPlane, type Projection } from './plane.js';

const DR = 'share dr of disrupted posts';
const INTACT = { trainedOn: CLEAN, testedOn: CLEAN };

function bandPoint(x: number, values: readonly number[], scale = 100): Point {
  const { mean, interval } = summarizeSeeds(values);
  const y = scale * mean;
  if (interval === null) return { x, y };
  // intervals of few seeds leave the range of what they measure; no chart should make room for that
  const most = scale === 100 ? 100 : Infinity;
  return { x, y, low: Math.max(0, scale * interval.low), high: Math.min(most, scale * interval.high) };
}

/** Figure 5: accuracy against dr, a chart a setting, with 95 % intervals over seeds. */
export function robustnessCharts(study: Study, reference: string): Chart[] {
  const methods = methodsOf(study, reference);
  return SETTINGS.flatMap((setting): Chart[] => {
    const strategies = pointsOf(study, setting);
    if (strategies.length === 0) return [];
    const series = methods.flatMap((system): Series[] => {
      const points = strategies.flatMap((own) => {
        const cells = cellsOf(study, system, { trainedOn: own, testedOn: own });
        return cells.length === 0
          ? []
          : [
              bandPoint(
                ratioOf(own),
                cells.map(({ accuracy }) => accuracy),
              ),
            ];
      });
      return points.length < 2 ? [] : [{ name: systemName(system), points }];
    });
    const title = `Accuracy against dr, setting ${setting}, with 95 % intervals over seeds`;
    return [lineChart(`robustness-${setting}`, title, series, { xName: DR, yName: 'accuracy, %' })];
  });
}

/** Table 4 as bars, the paper's values as marks. */
export function ablationCharts(study: Study): Chart[] {
  const systems = ablationsOfStudy(study);
  if (systems.length === 0) return [];
  return MODALITIES.flatMap((modality): Chart[] => {
    const of = (system: System, testedOn: Strategy): StoredCell[] =>
      cellsOf(study, system, { trainedOn: CLEAN, testedOn });
    const present = fixedStrategies().filter(
      (own) => own.modality === modality && of(systems[0] as System, own).length > 0,
    );
    if (present.length === 0) return [];
    const mean = (system: System, testedOn: Strategy): number | null => {
      const summary = summaryOf(of(system, testedOn), 'accuracy');
      return summary === null ? null : 100 * summary.mean;
    };
    const bars = systems.map((system) => ({
      name: system.without ?? `${system.method}, whole`,
      values: present.map((testedOn) => mean(system, testedOn)),
    }));
    const whole = paperName((systems[0] as System).method);
    const paper = present.map((testedOn) => {
      const figures = paperFiguresOf(whole, [], study.dataset, testedOn);
      return figures === null ? null : 100 * figures.accuracy;
    });
    const marks = paper.some((value) => value !== null) ? [{ name: 'paper, whole', values: paper }] : [];
    const title = `Without one part: accuracy with the ${modality} disrupted`;
    const settings = present.map(({ setting }) => setting);
    return [barChart(`ablation-${modality}`, title, settings, bars, marks, { xName: '', yName: 'accuracy, %' })];
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
    ({ testedOn, trainedOn, without }) => isSameStrategy(testedOn, trainedOn) && without === null,
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
      const disrupted = cellsOf(study, system, {
        trainedOn: CLEAN,
        testedOn: { kind: 'modality-fixed', modality, setting: 'C' },
      });
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
      const axes = { xName: 'log density, relative to its peak', yName: 'frequency' };
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
        return values.length === 0 ? [] : [bandPoint(epoch, values, scale)];
      });
      return points.length === 0 ? [] : [{ name: systemName(system), points }];
    });
  const charts = [
    {
      name: 'training-accuracy',
      title: 'Validation accuracy by epoch',
      yName: 'accuracy, %',
      series: course(({ valAccuracy }) => valAccuracy, 100),
    },
    {
      name: 'training-loss',
      title: 'Classification loss on validation posts by epoch',
      yName: 'loss',
      series: course(({ valLoss }) => valLoss, 1),
    },
  ];
  return charts
    .filter(({ series }) => series.length > 0)
    .map(({ name, title, yName, series }) => lineChart(name, title, series, { xName: 'epoch', yName, xWhole: true }));
}

/** Whether the study has anything that `figure-5` trains. */
export function hasRandom(study: Study): boolean {
  return randomStrategiesOf(study).length > 0;
}
