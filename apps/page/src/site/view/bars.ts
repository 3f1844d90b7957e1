import { html, percent } from './dom.js';

export interface Bar {
  readonly name: string | Node;
  readonly share: number;
  readonly isStrong?: boolean;
  /** Absent from the post: drawn faintly. */
  readonly isAbsent?: boolean;
}

/** Fills a list with bars; rows that are there already move to their new lengths. */
export function showBars(list: HTMLElement, bars: readonly Bar[]): void {
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
