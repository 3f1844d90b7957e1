import { MODALITIES, type Modality, type PairName } from '@drf/tensor';
import type { Judgment } from '@drf/judge';
import { describeState } from '@drf/judge/judgment';
import type { Distributions } from '../judge/connection.js';
import { densityCurve, type DensityCurve } from './density.js';
import { byId, html, percent, svg } from './dom.js';

interface Bar {
  readonly name: string | Node;
  readonly share: number;
  readonly isStrong?: boolean;
  /** Absent from the post: drawn faintly. */
  readonly isAbsent?: boolean;
}

/** Fills a list with bars; rows that are there already move to their new lengths. */
function showBars(list: HTMLElement, bars: readonly Bar[]): void {
  while (list.children.length > bars.length) list.lastElementChild?.remove();
  while (list.children.length < bars.length) {
    const track = html('span', { class: 'track', 'aria-hidden': 'true' }, html('span', { class: 'fill' }));
    list.append(html('li', {}, html('span', { class: 'name' }), track, html('span', { class: 'share' })));
  }
  bars.forEach(({ name, share, isStrong = false, isAbsent = false }, i) => {
    const row = list.children[i] as HTMLElement;
    row.classList.toggle('strong', isStrong);
    row.classList.toggle('absent', isAbsent);
    row.dataset.share = String(share);
    row.querySelector('.name')?.replaceChildren(name);
    (row.querySelector('.fill') as HTMLElement).style.width = `${(100 * share).toFixed(2)}%`;
    (row.querySelector('.share') as HTMLElement).textContent = percent(share);
  });
}

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
class QualityView {
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

/** What stands for image and text in each pair. */
const PARTS: Readonly<Record<PairName, Readonly<Record<Modality, boolean>>>> = {
  original: { image: false, text: false },
  imageAndRecoveredText: { image: false, text: true },
  recoveredImageAndText: { image: true, text: false },
};
const PAUSE_BEFORE_SPEAKING = 700;

/** Everything that is said of a post. */
export class VerdictView {
  private readonly quality: QualityView;
  private speaking: ReturnType<typeof setTimeout> | undefined;

  constructor(distributions: Distributions | null) {
    this.quality = new QualityView(byId('quality'), distributions);
    byId('quality-heading').hidden = this.quality.isEmpty;
    const watch = new IntersectionObserver((entries) => {
      byId('glance').classList.toggle('seen', entries.at(-1)?.isIntersecting === true);
    });
    watch.observe(byId('verdict'));
  }

  show(judgment: Judgment, milliseconds: number): void {
    const { label, probabilities, pairWeights, recovered, unfamiliar } = judgment;
    byId('notice').hidden = true;
    byId('results').hidden = false;
    byId('label').textContent = label;
    byId('label-share').textContent = percent(probabilities[label] as number);
    const words = recoveredWords(recovered);
    byId('glance').hidden = false;
    byId('glance').textContent = `${label} ${percent(probabilities[label] as number)}: see why`;
    byId('recovered').textContent = words;
    byId('recovered').hidden = words === '';
    byId('unfamiliar').hidden = unfamiliar !== true;
    showBars(
      byId('probabilities'),
      Object.entries(probabilities).map(([name, share]) => ({ name, share, isStrong: name === label })),
    );
    byId('pairs-card').hidden = pairWeights === null;
    if (pairWeights !== null) this.showPairs(pairWeights, recovered);
    this.quality.show(judgment);
    const state = describeState(judgment, percent);
    byId('intact').textContent = state;
    byId('intact').hidden = state === '';
    byId('quality-card').hidden = this.quality.isEmpty && state === '';
    byId('status').textContent = `Judged in ${Math.round(milliseconds)} ms`;
    this.speak(`${label}, ${percent(probabilities[label] as number)}. ${words} ${unfamiliar === true ? 'Unlike the training posts.' : ''}`); // prettier-ignore
  }

  /** Words in place of a verdict: nothing to judge, or an error. */
  notice(words: string, isError = false): void {
    const notice = byId('notice');
    notice.textContent = words;
    notice.hidden = false;
    notice.classList.toggle('error', isError);
    byId('results').hidden = true;
    byId('glance').hidden = true;
    byId('status').textContent = '';
    this.speak(words);
  }

  private showPairs(weights: NonNullable<Judgment['pairWeights']>, recovered: Modality | null): void {
    const rows = (Object.keys(PARTS) as PairName[]).map((pair) => ({
      name: pairName(pair),
      share: weights[pair],
      isAbsent: weights[pair] === 0 && recovered !== null,
    }));
    showBars(byId('pairs'), rows);
  }

  /** Screen readers hear of a verdict once it rests. */
  private speak(words: string): void {
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => void (byId('announcement').textContent = words), PAUSE_BEFORE_SPEAKING);
  }
}

function recoveredWords(recovered: Modality | null): string {
  if (recovered === null) return '';
  const other = recovered === 'image' ? 'text' : 'image';
  return `There is no ${recovered}: what stands for it was recovered from the ${other}.`;
}

function pairName(pair: PairName): HTMLElement {
  const part = (modality: Modality): HTMLElement => {
    const isRecovered = PARTS[pair][modality];
    return html('span', { class: isRecovered ? 'part recovered' : 'part' }, isRecovered ? `recovered ${modality}` : modality); // prettier-ignore
  };
  return html('span', { class: 'pair' }, part('image'), ' + ', part('text'));
}
