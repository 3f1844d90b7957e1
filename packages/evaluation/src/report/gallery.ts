import { applyDisruption, parseStrategy, type DisruptionEntry } from '@drf/disruption';
import { cellWords, openExperimentData } from '@drf/experiment';
import type { Post } from '@drf/tensor';
import { escapeHtml } from '@drf/terminal';
import { CLEAN, formatCell } from '../cells.js';
import { cellsOf, type Study, type System } from '../statistics/compare.js';
import type { StoredCell, StoredPrediction } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';
import { postCard, visiblePost, type PostCard } from './post-card.js';

/** Cells to show posts of, as far as a study has them. */
const SHOWN = ['none', 'fixed:image:C', 'fixed:image:D', 'fixed:text:C', 'fixed:text:D'].map(parseStrategy);

/**
 * Posts of a few cells of one system, as disrupted; the same posts in every cell. Empty when the data is not at hand.
 * @param count posts a cell
 * @param onMissing told why there are none
 */
export async function galleryPosts(
  store: ResultStore,
  study: Study,
  system: System,
  count: number,
  onMissing: (reason: string) => void,
): Promise<PostCard[]> {
  const cells = SHOWN.flatMap((testedOn) => cellsOf(study, system, { trainedOn: CLEAN, testedOn }).slice(0, 1));
  const [first] = cells;
  if (first === undefined || count === 0) return [];
  try {
    const { dataset } = await openExperimentData(store.config(first).dataset);
    const records = new Map(dataset.records.map((record) => [record.id, record]));
    const { ids } = store.posts(first);
    const positions = evenly(ids.length, count);
    const shown: PostCard[] = [];
    for (const cell of cells) {
      const entries = new Map(store.disruptions(cell).map((entry) => [entry.id, entry]));
      const predictions = store.predictions(cell);
      for (const position of positions) {
        const record = records.get(ids[position] as string);
        const prediction = predictions[position];
        if (record === undefined || prediction === undefined) continue;
        const entry = entries.get(record.id);
        const options = { mask: store.mask(cell) };
        const post = applyDisruption(await dataset.read(record), entry, options);
        shown.push(await galleryPost(store, cell, post, entry, prediction));
      }
    }
    return shown;
  } catch (error) {
    onMissing(error instanceof Error ? error.message : String(error));
    return [];
  }
}

/** Places spread over a list. */
function evenly(length: number, count: number): number[] {
  const step = Math.max(1, length / count);
  return Array.from({ length: Math.min(count, length) }, (_, i) => Math.floor(i * step));
}

async function galleryPost(
  store: ResultStore,
  cell: StoredCell,
  post: Post,
  entry: DisruptionEntry | undefined,
  prediction: StoredPrediction,
): Promise<PostCard> {
  const { classes, labels } = store.posts(cell);
  const { densities, weights, probabilities, predicted, position } = prediction;
  const number = (value: number | null): string => (value === null ? '–' : value.toFixed(Math.abs(value) < 100 ? 2 : 0));
  const known = ([, value]: readonly [string, number | null]): boolean => value !== null;
  const figures: (readonly [string, number | null])[] = [
    ['quality of the image', densities.image],
    ['quality of the text', densities.text],
    ['density of the recovered image', densities.recoveredImage],
    ['density of the recovered text', densities.recoveredText],
    ['weight of image and text', weights.both],
    ['weight of image and recovered text', weights.image],
    ['weight of recovered image and text', weights.text],
  ];
  return {
    id: post.id,
    cell: formatCell({ testedOn: cell.testedOn }),
    truth: classes[labels[position] as number] as string,
    predicted: classes[predicted] as string,
    confidence: probabilities[predicted] as number,
    ...(await visiblePost(post, entry)),
    rows: [
      ...classes.map((name, i) => [`probability of ${name}`, `${(100 * (probabilities[i] as number)).toFixed(0)} %`] as const),
      ...figures.filter(known).map(([name, value]) => [name, number(value)] as const),
    ],
  };
} // prettier-ignore

/** Posts one can leaf through, filtered by cell and by whether the answer is right. */
export function gallery(posts: readonly PostCard[]): string {
  const cells = [...new Set(posts.map(({ cell }) => cell))];
  const options = cells.map((name) => `<option value="${escapeHtml(name)}">${escapeHtml(cellWords(name))}</option>`);
  return [
    '<form class="filters" id="filters">',
    `<label>Disruption <select id="filter-cell"><option value="">all</option>${options.join('')}</select></label>`,
    '<label>Answer <select id="filter-answer"><option value="">all</option><option value="right">right</option><option value="wrong">wrong</option></select></label>',
    `<output id="filter-count" for="filter-cell filter-answer">${posts.length} shown</output></form>`,
    `<div class="posts">${posts.map((post) => postCard(post)).join('\n')}</div>`,
  ].join('\n');
}

/** Of {@link gallery}, beside that of its posts. */
export const FILTERS_STYLE = `
.filters { display: flex; flex-wrap: wrap; gap: .8rem 1.4rem; align-items: center; margin: .8rem 0; } select { font: inherit; padding: .3rem .4rem; color: inherit; background: var(--soft); border: 1px solid var(--muted); border-radius: .3rem; }
`;

/** Filters the posts; the page is whole without it. */
export const GALLERY_SCRIPT = `
const form = document.getElementById('filters');
form?.addEventListener('change', () => {
  const cell = document.getElementById('filter-cell').value;
  const answer = document.getElementById('filter-answer').value;
  let shown = 0;
  for (const post of document.querySelectorAll('article')) {
    post.hidden = (cell !== '' && post.dataset.cell !== cell) || (answer !== '' && post.dataset.answer !== answer);
    if (!post.hidden) shown++;
  }
  document.getElementById('filter-count').textContent = shown + ' shown';
});
`;
