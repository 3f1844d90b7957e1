import * as echarts from 'echarts';

/** A chart as an SVG document, with what it shows in words. */
export interface Chart {
  /** File name without ending. */
  readonly name: string;
  readonly title: string;
  /** For those who cannot see it. */
  readonly description: string;
  readonly svg: string;
}

/** Text and lines of axes: 4.5 : 1 on white; pages replace it by their own ink. */
export const INK = '#5b636c';
/** Told apart on white and on near-black, and by most who see few colors. */
export const COLORS = ['#2f7fc1', '#d9772b', '#2e9a63', '#c2527a', '#8a6fc9', '#a3852c', '#3a9fa0', '#8b8f94'];

const SIZE = { width: 640, height: 380 };

export interface Point {
  readonly x: number;
  readonly y: number;
  /** A band around the line. */
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  readonly dashed?: boolean;
}

export interface Axes {
  readonly xName: string;
  readonly yName: string;
  readonly xWhole?: boolean;
  readonly yRange?: readonly [number, number];
  readonly size?: { readonly width: number; readonly height: number };
}

function render(option: object, size = SIZE): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...size });
  chart.setOption({ animation: false, textStyle: { fontFamily: 'system-ui, sans-serif' }, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const AXIS = {
  nameTextStyle: { color: INK, fontSize: 13 },
  axisLabel: { color: INK, fontSize: 12, hideOverlap: true },
  axisLine: { onZero: false, lineStyle: { color: INK } },
  splitLine: { lineStyle: { color: INK, opacity: 0.18 } },
};

function legend(names: readonly string[]): object {
  return { top: 0, data: [...names], textStyle: { color: INK, fontSize: 13 }, itemWidth: 18, itemGap: 22 };
}

function frame(names: number): object {
  return { left: 62, right: 18, top: names > 6 ? 104 : names > 4 ? 78 : 52, bottom: 52 };
}

function xAxis({ xName, xWhole }: Axes): object {
  return {
    ...AXIS,
    type: 'value',
    name: xName,
    nameLocation: 'middle',
    nameGap: 30,
    min: 'dataMin',
    max: 'dataMax',
    minInterval: xWhole === true ? 1 : undefined,
  };
}

function yAxis({ yName, yRange }: Axes): object {
  const range = yRange === undefined ? { scale: true } : { min: yRange[0], max: yRange[1] };
  return {
    ...AXIS,
    type: 'value',
    name: yName,
    nameGap: 12,
    nameTextStyle: { ...AXIS.nameTextStyle, align: 'left' },
    ...range,
  };
}

/** Lines, with bands where points have them. */
export function lineChart(name: string, title: string, series: readonly Series[], axes: Axes): Chart {
  const colorOf = (i: number): string => (series[i]?.dashed === true ? INK : (COLORS[i % COLORS.length] as string));
  const bands = series.flatMap(({ name: own, points }, i) => {
    if (!points.some(({ low, high }) => low !== undefined && high !== undefined)) return [];
    const edge = { type: 'line', stack: `band ${own}`, symbol: 'none', silent: true, lineStyle: { opacity: 0 } };
    const low = points.map((point) => [point.x, point.low ?? point.y]);
    const height = points.map((point) => [point.x, (point.high ?? point.y) - (point.low ?? point.y)]);
    return [
      { ...edge, name: `${own} low`, stackStrategy: 'all', data: low },
      {
        ...edge,
        name: `${own} band`,
        stackStrategy: 'all',
        data: height,
        areaStyle: { color: colorOf(i), opacity: 0.14 },
      },
    ];
  });
  const lines = series.map(({ name: own, points, dashed }, i) => ({
    name: own,
    type: 'line',
    data: points.map(({ x, y }) => [x, y]),
    symbol: 'circle',
    showSymbol: points.length <= 12,
    symbolSize: 6,
    itemStyle: { color: colorOf(i) },
    lineStyle: { color: colorOf(i), width: 2, type: dashed === true ? 'dashed' : 'solid' },
  }));
  const names = series.map(({ name: own }) => own);
  const option = {
    legend: legend(names),
    grid: frame(names.length),
    xAxis: xAxis(axes),
    yAxis: yAxis(axes),
    series: [...bands, ...lines],
  };
  return { name, title, description: describe(title, series), svg: render(option, axes.size) };
}

/** Bars in groups, with marks (the paper's values) beside them. */
export function barChart(
  name: string,
  title: string,
  categories: readonly string[],
  bars: readonly { readonly name: string; readonly values: readonly (number | null)[] }[],
  marks: readonly { readonly name: string; readonly values: readonly (number | null)[] }[],
  axes: Axes,
): Chart {
  const values = [...bars, ...marks].flatMap(({ values: own }) => own.filter((value) => value !== null));
  const low = Math.max(0, Math.floor((Math.min(...values, 100) - 4) / 5) * 5);
  const option = {
    legend: legend([...bars, ...marks].map(({ name: own }) => own)),
    grid: frame(bars.length + marks.length),
    xAxis: { ...AXIS, type: 'category', data: [...categories] },
    yAxis: { ...yAxis(axes), scale: false, min: low },
    series: [
      ...bars.map(({ name: own, values: data }, i) => ({
        name: own,
        type: 'bar',
        data: [...data],
        itemStyle: { color: COLORS[i % COLORS.length] },
      })),
      ...marks.map(({ name: own, values: data }) => ({
        name: own,
        type: 'scatter',
        symbol: 'diamond',
        symbolSize: 10,
        data: [...data],
        itemStyle: { color: INK },
      })),
    ],
  };
  const said = bars.map(
    ({ name: own, values: data }) => `${own}: ${data.map((v) => v?.toFixed(1) ?? 'none').join(', ')}`,
  );
  const description = `${title}. Categories ${categories.join(', ')}. ${said.join('; ')}`;
  return { name, title, description, svg: render(option, axes.size) };
}

/** Clouds of points. */
export function scatterChart(
  name: string,
  title: string,
  clouds: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[],
  size = { width: 420, height: 340 },
): Chart {
  const bare = { type: 'value', scale: true, show: false }; // places mean nothing in a projection
  const option = {
    legend: legend(clouds.map(({ name: own }) => own)),
    grid: { left: 18, right: 18, top: 40, bottom: 18 },
    xAxis: bare,
    yAxis: bare,
    series: clouds.map(({ name: own, points }, i) => ({
      name: own,
      type: 'scatter',
      symbol: i === 0 ? 'circle' : 'triangle',
      symbolSize: 6,
      data: points.map((point) => [...point]),
      itemStyle: { color: COLORS[i], opacity: 0.75 },
    })),
  };
  const counts = clouds.map(({ name: own, points }) => `${points.length} ${own}`).join(', ');
  return { name, title, description: `${title}. ${counts}`, svg: render(option, size) };
}

function describe(title: string, series: readonly Series[]): string {
  const said = series.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return `${name}: no values`;
    return `${name}: from ${first.y.toPrecision(3)} at ${first.x} to ${last.y.toPrecision(3)} at ${last.x}`;
  });
  return `${title}. ${said.join('; ')}`;
}
