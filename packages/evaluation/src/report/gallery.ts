import { applyDisruption, parseStrategy, type DisruptionEntry } from '@drf/disruption';
import { escapeHtml, openExperimentData } from '@drf/experiment';
import type { Post, RgbImage } from '@drf/tensor';
import sharp from 'sharp';
import { CLEAN, formatCell } from '../cells.js';
import { cellsOf, systemName, type Study, type System } from '../statistics/compare.js';
import type { StoredCell, StoredPrediction } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';

/** A post as a model met it, and what the model said. */
interface GalleryPost {
  readonly id: string;
  readonly system: string;
  readonly cell: string;
  readonly truth: string;
  readonly predicted: string;
  readonly probabilities: readonly (readonly [string, number])[];
  /** As disrupted; null when missing. */
  readonly text: string | null;
  /** WebP as a data address; null when missing. */
  readonly image: string | null;
  readonly disruption: string;
  readonly prediction: StoredPrediction;
}

const SIDE = 160;
/** Longer texts are cut: a page holds many. */
const TEXT_LENGTH = 400;
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
): Promise<GalleryPost[]> {
  const cells = SHOWN.flatMap((testedOn) => cellsOf(study, system, { trainedOn: CLEAN, testedOn }).slice(0, 1));
  const [first] = cells;
  if (first === undefined || count === 0) return [];
  try {
    const { dataset } = await openExperimentData(store.config(first).dataset);
    const records = new Map(dataset.records.map((record) => [record.id, record]));
    const { ids } = store.posts(first);
    const positions = evenly(ids.length, count);
    const shown: GalleryPost[] = [];
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
        shown.push(await galleryPost(store, cell, systemName(system), post, entry, prediction));
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
  system: string,
  post: Post,
  entry: DisruptionEntry | undefined,
  prediction: StoredPrediction,
): Promise<GalleryPost> {
  const { classes, labels } = store.posts(cell);
  const share = entry?.fraction === null || entry === undefined ? '' : ` (${(100 * entry.fraction).toFixed(0)} %)`;
  return {
    id: post.id,
    system,
    cell: formatCell({ testedOn: cell.testedOn }),
    truth: classes[labels[prediction.position] as number] as string,
    predicted: classes[prediction.predicted] as string,
    probabilities: classes.map((name, i) => [name, prediction.probabilities[i] as number] as const),
    text:
      post.text === null ? null : post.text.length > TEXT_LENGTH ? `${post.text.slice(0, TEXT_LENGTH)} …` : post.text,
    image: post.image === null ? null : await dataAddress(post.image),
    disruption:
      entry === undefined
        ? 'intact'
        : `${entry.modality} ${entry.operation === 'corrupt' ? `corrupted${share}` : 'discarded'}`,
    prediction,
  };
}

async function dataAddress({ width, height, data }: RgbImage): Promise<string> {
  const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(SIDE, SIDE, { fit: 'inside' })
    .webp({ quality: 50 })
    .toBuffer();
  return `data:image/webp;base64,${bytes.toString('base64')}`;
}

/** Posts one can leaf through, filtered by cell and by whether the answer is right. */
export function gallery(posts: readonly GalleryPost[]): string {
  const cells = [...new Set(posts.map(({ cell }) => cell))];
  const options = cells.map((name) => `<option>${escapeHtml(name)}</option>`).join('');
  return [
    '<form class="filters" id="filters">',
    `<label>Cell <select id="filter-cell"><option value="">all</option>${options}</select></label>`,
    '<label>Answer <select id="filter-answer"><option value="">all</option><option value="right">right</option><option value="wrong">wrong</option></select></label>',
    `<output id="filter-count" for="filter-cell filter-answer">${posts.length} shown</output></form>`,
    `<div class="posts">${posts.map(card).join('\n')}</div>`,
  ].join('\n');
}

function card(post: GalleryPost): string {
  const { prediction, truth, predicted } = post;
  const number = (value: number | null): string => (value === null ? '–' : value.toFixed(2));
  const { available, densities, weights } = prediction;
  const isRight = truth === predicted;
  const rows: [string, string][] = [
    ['λ image, text', `${available.image ? 1 : 0}, ${available.text ? 1 : 0}`],
    ['density, image', number(densities.image)],
    ['density, text', number(densities.text)],
    ['density, recovered image', number(densities.recoveredImage)],
    ['density, recovered text', number(densities.recoveredText)],
    ['weight, image and text', number(weights.both)],
    ['weight, image and recovered text', number(weights.image)],
    ['weight, recovered image and text', number(weights.text)],
    ...post.probabilities.map(([name, value]): [string, string] => [`p, ${name}`, `${(100 * value).toFixed(0)} %`]),
  ];
  const image =
    post.image === null
      ? '<div class="missing">image missing</div>'
      : `<img src="${post.image}" alt="Image of post ${escapeHtml(post.id)}, ${escapeHtml(post.disruption)}" width="160" height="144">`;
  return [
    `<article data-cell="${escapeHtml(post.cell)}" data-answer="${isRight ? 'right' : 'wrong'}">`,
    `<h3>${escapeHtml(post.id)} <span class="quiet">${escapeHtml(post.cell)}: ${escapeHtml(post.disruption)}</span></h3>`,
    image,
    `<p class="text">${post.text === null ? '<span class="quiet">text missing</span>' : escapeHtml(post.text)}</p>`,
    `<p><strong class="${isRight ? 'better' : 'worse'}">${escapeHtml(predicted)}</strong>, truth ${escapeHtml(truth)}</p>`,
    `<dl>${rows.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>`,
    '</article>',
  ].join('\n');
}

/** Of {@link gallery}. */
export const GALLERY_STYLE = `
.filters { display: flex; flex-wrap: wrap; gap: .8rem 1.4rem; align-items: center; margin: .8rem 0; } select { font: inherit; padding: .3rem .4rem; color: inherit; background: var(--soft); border: 1px solid var(--muted); border-radius: .3rem; }
.posts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; }
article { background: var(--soft); border-radius: .5rem; padding: .8rem; min-width: 0; overflow-wrap: anywhere; font-size: .92rem; } article[hidden] { display: none; }
article img { display: block; width: auto; max-width: 100%; height: 9rem; object-fit: contain; margin: .5rem 0; border-radius: .3rem; } .missing { height: 9rem; margin: .5rem 0; border: 1px dashed var(--muted); border-radius: .3rem; display: grid; place-items: center; color: var(--muted); }
dl { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .7rem; margin: 0; font-size: .85rem; } dt { color: var(--muted); } dd { margin: 0; font-variant-numeric: tabular-nums; text-align: right; }
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
