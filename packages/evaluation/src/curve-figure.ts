import { lineChartFigure } from '@drf/experiment';

/** A curve by name: shares of right answers against the share of disrupted posts. */
export interface NamedCurve {
  readonly name: string;
  readonly points: readonly { readonly ratio: number; readonly accuracy: number }[];
}

/** Accuracy against the share of disrupted posts. */
export function curveFigure(title: string, curves: readonly NamedCurve[]): string {
  return lineChartFigure({
    title,
    xName: 'disrupted posts (percent)',
    yName: 'accuracy (percent)',
    lines: curves.map(({ name, points }) => ({
      name,
      points: points.map(({ ratio, accuracy }) => [100 * ratio, 100 * accuracy] as const),
    })),
  });
}
