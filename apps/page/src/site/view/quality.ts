import { MODALITIES, type Modality } from '@drf/tensor';
import type { Judgment } from '@drf/predict';
import type { Distributions } from '../judge/connection.js';
import { densityCurve, type DensityCurve } from './density.js';
import { html, percent, svg } from './dom.js';

const WIDTH = 320;
const HEIGHT = 84;
const FLOOR = 66;
const TICKS = [0.05, 0.5, 0.95];
const TICK_ROOM = 34;

interface Chart {
  readonly figure: HTMLElement;
  readonly words: HTMLElement;
  readonly marker: SVGElement;
  readonly picture: SVGElement;
  readonly curve: DensityCurve;
}

/** Charts of log densities of posts like those of training, with the place of the post that was judged. */
export class QualityView {
  private readonly charts = new Map<Modality, Chart>();

  constructor(container: HTMLElement, distributions: Distributions | null) {
    container.replaceChildren();
    for (const modality of MODALITIES) {
      const quantiles = distributions?.[modality] ?? null;
      if (quantiles === null) continue;
      const chart = createChart(modality, quantiles);
      this.charts.set(modality, chart);
      container.append(chart.figure);
    }
  }

  get isEmpty(): boolean {
    return this.charts.size === 0;
  }

  show({ quality, logDensity }: Judgment): void {
    for (const [modality, { figure, words, marker, picture, curve }] of this.charts) {
      const [share, density] = [quality[modality], logDensity[modality]];
      const isKnown = share !== null && density !== null;
      figure.classList.toggle('absent', !isKnown);
      words.textContent = isKnown ? describe(share) : 'not in the post';
      picture.setAttribute('aria-label', isKnown ? `${modality}: ${describe(share)}` : `${modality}: not in the post`);
      if (!isKnown) continue;
      const x = curve.place(density) * WIDTH;
      marker.setAttribute('transform', `translate(${x.toFixed(1)} 0)`);
      marker.classList.toggle('low', share < 0.05);
      (marker.querySelector('text') as SVGElement).replaceChildren(percent(share));
      marker.querySelector('text')?.setAttribute('text-anchor', x < WIDTH / 2 ? 'start' : 'end');
      marker.querySelector('text')?.setAttribute('x', x < WIDTH / 2 ? '7' : '-7');
    }
  }
}

function describe(share: number): string {
  if (share === 0) return 'below all posts like those of training';
  if (share === 1) return 'above all posts like those of training';
  return `above ${percent(share)} of posts like those of training`;
}

function createChart(modality: Modality, quantiles: readonly number[]): Chart {
  const curve = densityCurve(quantiles);
  const line = curve.heights.map((height, i) => {
    const x = (WIDTH * i) / (curve.heights.length - 1);
    return `${x.toFixed(1)} ${(FLOOR - 48 * height).toFixed(1)}`;
  });
  const marker = svg(
    'g',
    { class: 'marker' },
    svg('line', { y1: 6, y2: FLOOR }),
    svg('circle', { cy: FLOOR, r: 4 }),
    svg('text', { y: 14 }),
  );
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': modality },
    svg('path', { class: 'area', d: `M0 ${FLOOR} L${line.join(' L')} L${WIDTH} ${FLOOR}Z` }),
    svg('path', { class: 'curve', d: `M${line.join(' L')}` }),
    svg('line', { class: 'axis', x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }),
    ...ticks(quantiles, curve),
    marker,
  );
  const words = html('span', { class: 'quiet' });
  const name = html('strong', {}, modality === 'image' ? 'Image' : 'Text');
  const figure = html('figure', { class: 'density' }, html('figcaption', {}, name, ' ', words), picture);
  return { figure, words, marker, picture, curve };
}

/** Shares of the training posts that lie below; where two would overlap, the one in the middle goes first. */
function ticks(quantiles: readonly number[], curve: DensityCurve): SVGElement[] {
  const placed: number[] = [];
  return [...TICKS]
    .sort((a, b) => Math.abs(a - 0.5) - Math.abs(b - 0.5))
    .flatMap((share) => {
      const x = curve.place(quantiles[Math.round(share * (quantiles.length - 1))] as number) * WIDTH;
      if (placed.some((other) => Math.abs(other - x) < TICK_ROOM)) return [];
      placed.push(x);
      const label = svg('text', { x: x.toFixed(1), y: HEIGHT - 3, 'text-anchor': 'middle' }, `${100 * share} %`);
      return [svg('g', { class: 'tick' }, svg('line', { x1: x.toFixed(1), x2: x.toFixed(1), y1: FLOOR, y2: FLOOR + 4 }), label)]; // prettier-ignore
    });
}
