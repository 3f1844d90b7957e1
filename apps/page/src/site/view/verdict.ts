import type { PairName } from '@drf/fusion';
import type { Judgment } from '@drf/predict';
import type { Modality } from '@drf/tensor';
import type { Distributions } from '../judge/connection.js';
import { showBars } from './bars.js';
import { byId, html, percent } from './dom.js';
import { QualityView } from './quality.js';

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
    byId('quality-card').hidden = this.quality.isEmpty;
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
