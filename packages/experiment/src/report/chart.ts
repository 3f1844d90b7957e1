import { createRequire } from 'node:module';
import type * as ECharts from 'echarts';
import { contentHash } from '@drf/files';
import { escapeHtml, withoutZeroSign } from '@drf/terminal';

/** A chart as an SVG document, with what it shows in words. */
export interface Chart {
  /** File name without ending. */
  readonly name: string;
  readonly title: string;
  /** For those who cannot see it. */
  readonly description: string;
  readonly svg: string;
}

/** A place on a line; `y` is null where the line has no value. */
export interface Point {
  readonly x: number;
  readonly y: number | null;
  /** A band around the line. */
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  readonly dashed?: boolean;
}

/** A value for each category of a bar chart, null where there is none. */
interface CategoryValues {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

interface Axes {
  readonly xName: string;
  readonly yName: string;
  /** Whether x counts something (epochs): only whole numbers are marked. */
  readonly xWhole?: boolean;
}

/** Axes of lines. */
interface LineAxes extends Axes {
  /** Whether both axes are logarithmic, so that a power is a straight line: all numbers must be above 0. */
  readonly log?: boolean;
}

const SIZE = { width: 640, height: 380 };
/** Stands for the ink of text and axes while a chart is drawn; {@link inkOf} replaces it. */
const INK = '#5b636c';
/** Told apart on white and on near-black, and by most who see few colors. */
const COLORS = ['#2f7fc1', '#d9772b', '#2e9a63', '#c2527a', '#8a6fc9', '#a3852c', '#3a9fa0', '#8b8f94', '#c0453a', '#6f8f2e']; // prettier-ignore
const colorAt = (i: number): string => COLORS[i % COLORS.length] as string;
/** Whether a color has been taken before: what comes again is hatched or dotted, so that it is not taken for the first. */
const isAgain = (i: number): boolean => i >= COLORS.length;
const HATCHING = { symbol: 'rect', color: 'rgba(255,255,255,0.65)', dashArrayX: [1, 0], dashArrayY: [2, 3], rotation: Math.PI / 4 }; // prettier-ignore

const AXIS = {
  nameTextStyle: { color: INK, fontSize: 13 },
  axisLabel: { color: INK, fontSize: 12, hideOverlap: true },
  axisLine: { onZero: false, lineStyle: { color: INK } },
  splitLine: { lineStyle: { color: INK, opacity: 0.18 } },
};

/**
 * Lines, with bands where points have them.
 * @example lineChart('loss', 'Loss by epoch', [{ name: 'drf', points: [{ x: 1, y: 0.9 }] }], { xName: 'epoch', yName: 'loss' })
 */
export function lineChart(name: string, title: string, series: readonly Series[], axes: LineAxes): Chart {
  const colorOf = (i: number): string => (series[i]?.dashed === true ? INK : colorAt(i));
  const bands = series.flatMap(({ name: own, points }, i) => {
    const banded = points.flatMap(({ x, low, high }) =>
      low === undefined || high === undefined ? [] : [{ x, low, height: high - low }],
    );
    if (banded.length === 0) return [];
    const edge = {
      type: 'line',
      stack: `band ${own}`,
      stackStrategy: 'all',
      symbol: 'none',
      silent: true,
      lineStyle: { opacity: 0 },
    };
    const area = { color: colorOf(i), opacity: 0.14 };
    return [
      { ...edge, name: `${own} low`, data: banded.map(({ x, low }) => [x, low]) },
      { ...edge, name: `${own} band`, data: banded.map(({ x, height }) => [x, height]), areaStyle: area },
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
    lineStyle: { color: colorOf(i), width: 2, type: dashed === true ? 'dashed' : isAgain(i) ? 'dotted' : 'solid' },
  }));
  const names = series.map(({ name: own }) => own);
  const scale = axes.log === true ? { type: 'log' } : {};
  const option = {
    xAxis: { ...xAxis(axes), min: 'dataMin', max: 'dataMax', ...scale },
    yAxis: { ...yAxis(axes), scale: true, ...scale },
    series: [...bands, ...lines],
  };
  const said = series.map(({ name: own, points }) => `${own}: ${courseOf(points)}`);
  return { name, title, description: `${title}. ${said.join('; ')}`, svg: render(option, names) };
}

/** Bars in groups, a group a category, with marks (the paper's values) beside them. */
export function barChart(
  name: string,
  title: string,
  categories: readonly string[],
  bars: readonly CategoryValues[],
  marks: readonly CategoryValues[],
  yName: string,
): Chart {
  const option = {
    xAxis: { ...AXIS, type: 'category', data: [...categories] },
    yAxis: { ...yAxis({ yName }), min: 0 },
    series: [
      ...bars.map(({ name: own, values: data }, i) => ({
        name: own,
        type: 'bar',
        data: [...data],
        itemStyle: { color: colorAt(i), ...(isAgain(i) ? { decal: HATCHING } : {}) },
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
  const said = [...bars, ...marks].map(
    ({ name: own, values: data }) =>
      `${own}: ${data.map((value) => (value === null ? 'none' : tenths(value))).join(', ')}`,
  );
  return {
    name,
    title,
    description: `${title}. Categories ${categories.join(', ')}. ${said.join('; ')}`,
    svg: render(option, [...bars, ...marks].map(({ name: own }) => own)), // prettier-ignore
  };
}

/** Intervals below each other, a row each, around a line at 0. */
export function intervalChart(
  name: string,
  title: string,
  rows: readonly { readonly name: string; readonly low: number; readonly value: number; readonly high: number }[],
  xName: string,
): Chart {
  const option = {
    xAxis: { ...xAxis({ xName }), scale: true },
    yAxis: { ...AXIS, type: 'category', inverse: true, data: rows.map(({ name: own }) => own), splitLine: undefined },
    series: [
      ...rows.map(({ name: own, low, high }) => ({
        type: 'line',
        data: [
          [low, own],
          [high, own],
        ],
        symbol: 'none',
        lineStyle: { color: colorAt(0), width: 3 },
      })),
      {
        type: 'scatter',
        data: rows.map(({ name: own, value }) => [value, own]),
        symbolSize: 10,
        itemStyle: { color: colorAt(0) },
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: INK, type: 'dashed' },
          data: [{ xAxis: 0 }],
        },
      },
    ],
  };
  const said = rows.map(
    ({ name: own, low, value, high }) => `${own}: ${tenths(value)}, from ${tenths(low)} to ${tenths(high)}`,
  );
  const left = 24 + Math.max(...rows.map(({ name: own }) => textWidth(own, LEGEND.fontSize)));
  const size = { width: SIZE.width, height: 90 + 34 * rows.length };
  return { name, title, description: `${title}. ${said.join('; ')}`, svg: render(option, [], size, { left, top: 16 }) };
}

/** Axes of points whose places mean something. */
interface ScatterAxes extends Axes {
  readonly xLog?: boolean;
  /** Names of the places 0, 1, … of x. */
  readonly xCategories?: readonly string[];
}

/** Clouds of points. @param axes left out: places mean nothing but nearness */
export function scatterChart(
  name: string,
  title: string,
  clouds: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[],
  axes?: ScatterAxes,
): Chart {
  const bare = { type: 'value', scale: true, show: false };
  const option = {
    xAxis: axes === undefined ? bare : scatterAxis(axes),
    yAxis: axes === undefined ? bare : { ...yAxis(axes), scale: true },
    series: clouds.map(({ name: own, points }, i) => ({
      name: own,
      type: 'scatter',
      symbol: i === 0 ? 'circle' : 'triangle',
      symbolSize: 6,
      data: points.map((point) => [...point]),
      itemStyle: { color: colorAt(i), opacity: 0.75 },
    })),
  };
  const names = clouds.map(({ name: own }) => own);
  const counts = clouds.map(({ name: own, points }) => `${points.length} ${own}`).join(', ');
  const margins = axes === undefined ? { left: 18, bottom: 18 } : {};
  const svg = render(option, names, { width: 420, height: 340 }, margins);
  return { name, title, description: `${title}. ${counts}`, svg };
}

function scatterAxis({ xLog = false, xCategories, ...axes }: ScatterAxes): object {
  if (xCategories !== undefined) return { ...xAxis(axes), type: 'category', data: [...xCategories], splitLine: undefined }; // prettier-ignore
  const axisLabel = { ...AXIS.axisLabel, formatter: (value: number) => String(Number(value.toPrecision(3))) };
  return { ...xAxis(axes), type: xLog ? 'log' : 'value', scale: true, axisLabel };
}

/** A chart in a page, in the page's own ink, with its words for those who cannot see it. */
export function figure({ title, description, svg }: Chart): string {
  const own = svg.replace(/<svg /, '<svg aria-hidden="true" focusable="false" ');
  return `<figure><div class="scroll" role="img" tabindex="0" aria-label="${escapeHtml(description)}">${own}</div><figcaption>${escapeHtml(title)}</figcaption></figure>`;
}

const LEGEND = { fontSize: 13, mark: 18, gap: 30, row: 26, furtherRow: 46 };

/**
 * Without a browser no text can be measured, and fonts of other machines may be wider: as wide as so many average letters
 * of a wide font. Chinese, Japanese and Korean ones are squares.
 */
function textWidth(text: string, fontSize: number): number {
  const squares = text.match(/[\u2e80-\uffef]/g)?.length ?? 0;
  return Math.ceil(fontSize * (0.62 * (text.length - squares) + squares));
}

/** Names one after the other in as many rows as they need, so that none is cut; their height in pixels beside it. */
function legend(names: readonly string[], width: number): { readonly option: object; readonly height: number } {
  if (names.length === 0) return { option: { show: false }, height: 0 };
  const option = {
    top: 0,
    data: [...names],
    textStyle: { color: INK, fontSize: LEGEND.fontSize },
    itemWidth: LEGEND.mark,
    itemGap: LEGEND.gap,
    width,
  };
  let further = 0;
  let taken = 0;
  for (const name of names) {
    const own = LEGEND.mark + 5 + textWidth(name, LEGEND.fontSize);
    if (taken > 0 && taken + own > width) {
      further++;
      taken = 0;
    }
    taken += own + LEGEND.gap;
  }
  return { option, height: LEGEND.row + further * LEGEND.furtherRow };
}

function xAxis({ xName, xWhole }: Pick<Axes, 'xName' | 'xWhole'>): object {
  const minInterval = xWhole === true ? 1 : undefined;
  return { ...AXIS, type: 'value', name: xName, nameLocation: 'middle', nameGap: 30, minInterval };
}

function yAxis({ yName }: Pick<Axes, 'yName'>): object {
  const axisLabel = { ...AXIS.axisLabel, formatter: tickText };
  const nameTextStyle = { ...AXIS.nameTextStyle, align: 'left' };
  return { ...AXIS, type: 'value', name: yName, nameGap: 12, nameTextStyle, axisLabel };
}

/** A number that fits beside an axis: "12,000", "0.25", "3.5e-5". */
function tickText(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.001) return Number(value.toPrecision(3)).toExponential();
  return value.toLocaleString('en-US', { maximumFractionDigits: 10 });
}

/** Loaded with the first chart: most commands draw none. */
let echarts: typeof ECharts | undefined;

function loadECharts(): typeof ECharts {
  const library = createRequire(import.meta.url)('echarts') as typeof ECharts;
  const fontSize = (font = ''): number => Number(/([\d.]+)px/.exec(font)?.[1] ?? 12);
  library.setPlatformAPI({ measureText: (text, font) => ({ width: textWidth(text, fontSize(font)) }) });
  return library;
}

/** Draws on a canvas that grows by its legend, so that the plot itself keeps its size. */
function render(option: object, names: readonly string[], size = SIZE, margins: object = {}): string {
  const own = legend(names, size.width - 20);
  const grid = { left: 74, right: 18, top: 28 + own.height, bottom: 52, ...margins };
  const height = size.height + Math.max(0, own.height - LEGEND.row);
  echarts ??= loadECharts();
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: size.width, height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    legend: own.option,
    grid,
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return inkOf(withStableNames(svg));
}

/**
 * The same chart whenever it is drawn: ECharts counts what it draws in its names, and styles what a pointer hovers over,
 * which a picture does not need. Parts keep names that no other chart of a page has.
 */
function withStableNames(svg: string): string {
  const still = svg.replaceAll(/<style\b[^>]*>\s*<!\[CDATA\[[^]*?\]\]>\s*<\/style>/g, '').replaceAll(/ class="zr\d+-cls-\d+"/g, ''); // prettier-ignore
  const name = `chart-${contentHash(still.replaceAll(/\bzr\d+-/g, '')).slice(0, 12)}-`;
  return still.replaceAll(/\bzr\d+-/g, name);
}

/** The same chart in an ink that reads on light and on dark; a page may set another color. */
function inkOf(svg: string): string {
  const style = '<style>svg{color:#59616a}@media(prefers-color-scheme:dark){svg{color:#a3abb4}}</style>';
  return svg.replaceAll(INK, 'currentColor').replace(/(<svg [^>]*>)/, `$1${style}`);
}

const tenths = (value: number): string => withoutZeroSign(value.toFixed(1));

function courseOf(points: readonly Point[]): string {
  const [first, last] = [points.find(({ y }) => y !== null), points.findLast(({ y }) => y !== null)];
  if (first === undefined || last === undefined) return 'no values';
  return `from ${first.y?.toPrecision(3)} at ${first.x} to ${last.y?.toPrecision(3)} at ${last.x}`;
}
