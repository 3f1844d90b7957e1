import type { PostContent } from '@drf/judge';
import { largestChange, pointsOf, strengthOf, strongestPlaces, textParts, type Explanation } from '@drf/judge/explain';
import { MODALITIES } from '@drf/tensor';
import { drawImage } from '../content.js';
import { byId, html, percent, svg } from './dom.js';

/** The side of the map in its own units. */
const SIDE = 100;

/** Why a post is judged as it is: words that are marked, and a map over the image. */
export class WhyView {
  /** @param onAsk the reader wants to know, or (while it is being found out) no longer */
  constructor(onAsk: () => void) {
    byId('why').addEventListener('click', onAsk);
  }

  /** Nothing is explained: the post is another one, or was not asked about. */
  reset(): void {
    byId('why').textContent = 'Which words, which parts of the image?';
    byId('why-status').textContent = '';
    byId('why-error').hidden = true;
    byId('why-result').hidden = true;
  }

  /** Told of an explanation that is being made; the service does not say how far it is. */
  begin(): void {
    this.reset();
    byId('why').textContent = 'Stop';
    byId('why-status').textContent = 'Leaving out one part after the other …';
  }

  progress(done: number, total: number): void {
    byId('why-status').textContent = `Judged ${done} of ${total} times …`;
  }

  fail(message: string): void {
    this.reset();
    byId('why-error').textContent = message;
    byId('why-error').hidden = false;
  }

  show(explanation: Explanation, { image, text }: PostContent): void {
    this.reset();
    const { label, judgment, words, regions, notes } = explanation;
    byId('why-result').hidden = false;
    byId('why-summary').textContent = summaryOf(explanation);
    byId('why-text').hidden = text === null || words.length === 0;
    byId('why-text').replaceChildren(...(text === null ? [] : markedText(explanation, text)));
    byId('why-image').hidden = image === null || regions.length === 0;
    if (image !== null) drawImage(byId<HTMLCanvasElement>('why-picture'), image);
    this.showMap(explanation);
    byId('why-notes').replaceChildren(...notes.map((note) => html('li', {}, note)));
    byId('why-status').textContent = `${label}, ${percent(judgment.probabilities[label] as number)}`;
  }

  private showMap({ regions }: Explanation): void {
    const largest = largestChange(regions);
    const places = `Strongest: ${strongestPlaces(regions)}`;
    const map = byId('why-map');
    map.setAttribute('viewBox', `0 0 ${SIDE} ${SIDE}`);
    map.setAttribute('aria-label', `Changes by region, in points. ${places}`);
    const cells = regions.flatMap(({ left, top, right, bottom, change }) => {
      const [x, y, width, height] = [left, top, right - left, bottom - top].map((share) => share * SIDE) as [number, number, number, number]; // prettier-ignore
      const strength = strengthOf(change, largest);
      const box = { x, y, width, height };
      if (strength === 0) return [svg('rect', { class: 'cell', ...box })];
      const cell = svg('rect', { class: `cell ${kindOf(strength)}`, ...box });
      cell.style.setProperty('--strength', Math.abs(strength).toFixed(2));
      return [cell, svg('text', { x: x + width / 2, y: y + height / 2 }, pointsOf(change.probability))];
    });
    map.replaceChildren(svg('rect', { class: 'veil', width: SIDE, height: SIDE }), ...cells);
    byId('why-places').textContent = places;
  }
}

/** What both modalities do as wholes, in words. */
export function summaryOf({ label, modalities }: Explanation): string {
  const parts = MODALITIES.flatMap((modality) => {
    const change = modalities[modality];
    return change === null ? [] : [`the whole ${modality} ${pointsOf(change.probability)}`];
  });
  const wholes = parts.length === 0 ? '' : ` Left out as wholes: ${parts.join(', ')}.`;
  return `What speaks for “${label}” and what against it, in points of its probability.${wholes}`;
}

function markedText({ words }: Explanation, text: string): (Node | string)[] {
  const largest = largestChange(words);
  return textParts(text, words).map(({ text: part, word }) => {
    const strength = word === null ? 0 : strengthOf(word.change, largest);
    if (word === null || strength === 0) return part;
    const mark = html('span', { class: `part ${kindOf(strength)}` }, part, html('sup', {}, pointsOf(word.change.probability))); // prettier-ignore
    mark.style.setProperty('--strength', Math.abs(strength).toFixed(2));
    return mark;
  });
}

function kindOf(strength: number): 'for' | 'against' {
  return strength < 0 ? 'against' : 'for';
}
