import { SETTINGS } from '@drf/disruption';
import { robustnessArea } from '@drf/metrics';
import { dropOf, paperDrop } from './paper.js';
import type { CellResult, RobustnessCurve } from './result.js';

/**
 * Robustness curves from cells: for each setting with modality-random cells, scores against dr, with the clean cell as
 * dr = 0.
 * @param dataset whose figures of the paper stand beside ours
 */
export function robustnessCurves(cells: readonly CellResult[], dataset: string): RobustnessCurve[] {
  const clean = cells.find(({ kind }) => kind === 'none');
  if (clean === undefined) return [];
  return SETTINGS.flatMap((setting): RobustnessCurve[] => {
    const all = cells.filter(
      (cell) => cell.kind === 'modality-random' && cell.setting === setting && (cell.ratio ?? 0) > 0,
    );
    // one point a ratio: that of exact shares, where there is one of independent draws beside it
    const isExact = ({ cell }: CellResult): boolean => cell.split(':').length === 3;
    const random = [...all]
      .sort((a, b) => Number(isExact(b)) - Number(isExact(a)))
      .filter((cell, place, sorted) => sorted.findIndex(({ ratio }) => ratio === cell.ratio) === place);
    if (random.length === 0) return [];
    const points = [clean, ...random]
      .map(({ ratio, report }) => ({ ratio: ratio ?? 0, accuracy: report.accuracy, weightedF1: report.weightedF1 }))
      .sort((first, second) => first.ratio - second.ratio);
    return [
      {
        setting,
        points,
        area: robustnessArea(points.map(({ ratio, accuracy }) => ({ ratio, value: accuracy }))),
        drop: dropOf(points),
        paperDrop: paperDrop(dataset, setting),
      },
    ];
  });
}
