import { formatStrategy, parseStrategy, SETTINGS, type Setting, type Strategy } from '@drf/disruption';
import { robustnessArea, summarizeSeeds, type SeedSummary } from '@drf/metrics';
import type { ExperimentConfig } from '@drf/experiment';
import { identityOf } from './groups.js';
import { ablationsOf, dropOf, paperDrop, type PaperDrop } from './paper.js';
import { findCell } from './result.js';
import type { RunResult } from './comparison.js';

/** A method's accuracy where each ratio has its own models, trained and tested at that ratio: the paper's strategy. */
export interface MatchedCurve {
  readonly method: string;
  readonly setting: Setting;
  /** dr = 0: trained on intact posts, tested on intact posts. */
  readonly points: readonly { readonly ratio: number; readonly accuracy: SeedSummary }[];
  readonly area: number;
  /** Mean accuracy at dr = 0.2 less that at dr = 1; null where either is missing. */
  readonly drop: number | null;
  readonly paperDrop: PaperDrop | null;
}

/** The curves of every method that has points of at least two ratios, for runs on equal posts. */
export function matchedCurves(runs: readonly RunResult[]): MatchedCurve[] {
  const identity = (run: RunResult): string => identityOf(run, ['training.disruption']);
  return [...new Set(runs.map(identity))].flatMap((wanted) => {
    const own = runs.filter((run) => identity(run) === wanted);
    const method = methodLabel((own[0] as RunResult).config);
    return SETTINGS.flatMap((setting) => curveOf(method, setting, own) ?? []);
  });
}

function methodLabel(config: ExperimentConfig): string {
  return [config.method, ...ablationsOf(config)].join(', ');
}

function curveOf(method: string, setting: Setting, runs: readonly RunResult[]): MatchedCurve | undefined {
  const byRatio = new Map<number, number[]>();
  for (const { config, result } of runs) {
    const trained = parseStrategy(config.training.disruption);
    const ratio = trained.kind === 'none' ? 0 : trained.kind === 'modality-random' ? trained.ratio : undefined;
    if (ratio === undefined || (trained.kind === 'modality-random' && trained.setting !== setting)) continue;
    const exact: Strategy = { kind: 'modality-random', ratio, setting }; // the ratio counts, not how it is held
    const cell = findCell(result, ratio === 0 ? 'clean' : formatStrategy(exact));
    if (cell !== undefined) byRatio.set(ratio, [...(byRatio.get(ratio) ?? []), cell.report.accuracy]);
  }
  if (byRatio.size < 2) return undefined;
  const points = [...byRatio]
    .sort(([first], [second]) => first - second)
    .map(([ratio, values]) => ({ ratio, accuracy: summarizeSeeds(values) }));
  return {
    method,
    setting,
    points,
    area: robustnessArea(points.map(({ ratio, accuracy }) => ({ ratio, value: accuracy.mean }))),
    drop: dropOf(points.map(({ ratio, accuracy }) => ({ ratio, accuracy: accuracy.mean }))),
    paperDrop: paperDrop(runs[0]?.result.evaluation.dataset ?? '', setting),
  };
}
