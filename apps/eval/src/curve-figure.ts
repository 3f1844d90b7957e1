import { lineChartFigure } from '@drf/experiment';
import type { PaperDrop } from './paper.js';

/** A curve by name: shares of right answers against the share of disrupted posts. */
export interface NamedCurve {
  readonly name: string;
  readonly points: readonly { readonly ratio: number; readonly accuracy: number }[];
}

/**
 * Accuracy against the share of disrupted posts, with the paper's DRF where it is known: at dr = 0 and at dr = 1, which
 * is all that it tells.
 */
export function curveFigure(title: string, curves: readonly NamedCurve[], paper: PaperDrop | null): string {
  const all = paper === null ? curves : [...curves, paperCurve(paper)];
  return lineChartFigure({
    title,
    xName: 'disrupted posts (percent)',
    yName: 'accuracy (percent)',
    lines: all.map(({ name, points }) => ({
      name,
      points: points.map(({ ratio, accuracy }) => [100 * ratio, 100 * accuracy] as const),
    })),
  });
}

function paperCurve({ drf, drfAtZero }: PaperDrop): NamedCurve {
  const points = [
    { ratio: 0, accuracy: drfAtZero },
    { ratio: 1, accuracy: drfAtZero - drf },
  ];
  return { name: 'paper: DRF, C+D', points };
}
