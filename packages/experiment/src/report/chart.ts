import * as echarts from 'echarts';
import { escapeHtml } from './html.js';

/** One line of a chart; `null` where it has no value. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number | null])[];
}

/** Lines over a common axis. */
export interface LineChart {
  readonly title: string;
  readonly xName: string;
  readonly yName: string;
  readonly lines: readonly Line[];
  readonly logarithmic?: boolean;
  /** Whether x counts something (epochs): only whole numbers are marked. */
  readonly wholeX?: boolean;
}

const WIDTH = 800;
const HEIGHT = 360;
/** Read well on white and on near-black alike. */
const COLORS = ['#3b82c4', '#d9772b', '#3f9c5a', '#c2527a', '#8a6fc9', '#8d7a3c', '#4aa3a2'];
const GRAY = '#808890';

/** A line chart as SVG inside a figure, with its description for those who cannot see it. */
export function lineChartFigure(chart: LineChart): string {
  const description = chart.lines.map(({ name, points }) => `${name}: ${describe(points)}`).join('; ');
  return [
    `<figure role="img" aria-label="${escapeHtml(`${chart.title}. ${description}`)}">`,
    renderLineChart(chart),
    `<figcaption>${escapeHtml(chart.title)}</figcaption></figure>`,
  ].join('\n');
}

function describe(points: Line['points']): string {
  const values = points.map(([, y]) => y).filter((y) => y !== null);
  if (values.length === 0) return 'no values';
  return `from ${(values[0] as number).toPrecision(3)} to ${(values.at(-1) as number).toPrecision(3)}`;
}

/** The chart alone, as an SVG document. */
export function renderLineChart(chart: LineChart): string {
  const instance = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  const axis = {
    nameTextStyle: { color: GRAY },
    axisLabel: { color: GRAY },
    splitLine: { lineStyle: { color: GRAY, opacity: 0.25 } },
  };
  instance.setOption({
    animation: false,
    color: COLORS,
    legend: { top: 0, itemGap: 20, textStyle: { color: GRAY } }, // text is measured without a browser, and too narrow
    grid: {
      left: 60,
      right: 20,
      top: chart.lines.length > 4 ? 95 : 50,
      bottom: 50,
    } /* a long legend takes two lines */,
    xAxis: {
      ...axis,
      type: 'value',
      name: chart.xName,
      nameLocation: 'middle',
      nameGap: 28,
      minInterval: chart.wholeX === true ? 1 : undefined,
      min: 'dataMin',
      max: 'dataMax',
    },
    yAxis: { ...axis, type: chart.logarithmic === true ? 'log' : 'value', name: chart.yName, scale: true },
    series: chart.lines.map(({ name, points }) => ({
      name,
      type: 'line',
      data: points.map((point) => [...point]),
      showSymbol: points.length <= 40,
      symbolSize: 5,
    })),
  });
  const svg = instance.renderToSVGString();
  instance.dispose();
  return svg;
}
