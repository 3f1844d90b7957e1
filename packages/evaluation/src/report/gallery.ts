import { applyDisruption, parseStrategy, type DisruptionEntry } from '@drf/disruption';
import { openExperimentData } from '@drf/experiment';
import type { Post, RgbImage } from '@drf/tensor';
import sharp from 'sharp';
import { CLEAN, formatCell } from '../cells.js';
import { cellsOf, systemName, type Study, type System } from '../statistics/compare-systems.js';
import type { ResultStore } from '../store/result-store.js';
import type { StoredCell, StoredPrediction } from '../store/records.js';

/** A post as a model met it, and what the model said. */
export interface GalleryPost {
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
