import type { Dataset, PostRecord } from '@drf/datasets';
import { applyDisruption, type DisruptionEntry, type Strategy } from '@drf/disruption';
import { cellWords, type Quality } from '@drf/experiment';
import type { Calibration } from '@drf/judge';
import { argMax, shareBelow } from '@drf/metrics';
import { DataError, MODALITIES, type Modality } from '@drf/tensor';
import { formatCell } from '../cells.js';
import { visiblePost, type PostCard } from './post-card.js';

/** A model's answers to the posts of a cell. */
export interface JudgedCell {
  readonly testedOn: Strategy;
  readonly ids: readonly string[];
  readonly labels: Int32Array;
  /** [posts, classes] */
  readonly probabilities: Float32Array;
  readonly entries: readonly DisruptionEntry[];
  /** λᵛ and λᵗ, [posts] */
  readonly available: Readonly<Record<Modality, Float32Array>>;
  /** Of the posts' modalities; null for methods that estimate none, and while DRF's queues hold too little. */
  readonly quality: Quality | null;
}

/** Why a post is shown. */
export type Showing = 'sure' | 'confused' | 'broken';

/** A wrong answer. */
export interface Mistake {
  readonly showing: Showing;
  /** Place of its cell among those evaluated. */
  readonly cell: number;
  /** Place of the post in the cell. */
  readonly position: number;
  /** Class indices. */
  readonly truth: number;
  readonly predicted: number;
  /** Probability of the answer. */
  readonly confidence: number;
}

/**
 * The mistakes worth looking at, each post once: in order the intact posts that are wrong with the most confidence; of
 * each kind of confusion the surest, the most frequent kinds first; and posts that are right only until they are
 * disrupted (of cells that disrupt every post). Half, a quarter and a quarter of the places, which go to the others where
 * there are too few. Of equal ones, the earlier post.
 * @param cells the clean one first
 */
export function chooseMistakes(cells: readonly JudgedCell[], count: number): Mistake[] {
  const [clean] = cells;
  if (clean === undefined || count <= 0) return [];
  const surestFirst = (a: Mistake, b: Mistake): number => b.confidence - a.confidence || a.position - b.position;
  const wrong = mistakesOf(clean, 0, 'sure').toSorted(surestFirst);
  const kinds = new Map<string, Mistake[]>();
  for (const mistake of wrong) {
    const kind = `${mistake.truth} ${mistake.predicted}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), { ...mistake, showing: 'confused' }]);
  }
  const confused = [...kinds.values()].sort((a, b) => b.length - a.length);
  const isWrong = new Set(wrong.map(({ position }) => clean.ids[position]));
  const broken = cells
    .flatMap((cell, place) => (cell.testedOn.kind === 'modality-fixed' ? mistakesOf(cell, place, 'broken') : []))
    .filter(({ cell, position }) => !isWrong.has(cells[cell]?.ids[position]))
    .sort((a, b) => surestFirst(a, b) || a.cell - b.cell);
  const taken = new Set<string>();
  const take = (from: readonly Mistake[], most: number): Mistake[] => {
    const chosen: Mistake[] = [];
    for (const mistake of from) {
      if (chosen.length >= most) break;
      const id = cells[mistake.cell]?.ids[mistake.position] ?? '';
      if (taken.has(id)) continue;
      taken.add(id);
      chosen.push(mistake);
    }
    return chosen;
  };
  const quarter = Math.floor(count / 4);
  const sure = take(wrong, count - 2 * quarter);
  const other = take(confused.flatMap((own) => own.find(({ position }) => !taken.has(clean.ids[position] ?? '')) ?? []), quarter); // prettier-ignore
  const fallen = take(broken, quarter);
  const left = (): number => count - sure.length - other.length - fallen.length;
  sure.push(...take(wrong, left()));
  fallen.push(...take(broken, left()));
  return [...sure, ...other, ...fallen];
}

function mistakesOf({ labels, probabilities }: JudgedCell, cell: number, showing: Showing): Mistake[] {
  const classes = probabilities.length / labels.length;
  return Array.from(labels, (truth, position): Mistake => {
    const row = probabilities.subarray(position * classes, (position + 1) * classes);
    const predicted = argMax(row);
    return { showing, cell, position, truth, predicted, confidence: row[predicted] as number };
  }).filter(({ truth, predicted }) => truth !== predicted);
}

/** What is needed to show mistakes. */
interface ShowOptions {
  readonly cells: readonly JudgedCell[];
  readonly classes: readonly string[];
  readonly dataset: Dataset;
  readonly records: readonly PostRecord[];
  /** What stands for masked words. */
  readonly mask: string;
  readonly calibration: Calibration | null;
  readonly signal?: AbortSignal | undefined;
}

/** A mistake with its post. */
export type ShownPost = PostCard & { readonly showing: Showing };

/** Reads the posts of some mistakes, and disrupts them as their cells did. A post that cannot be read is left out. */
export async function showMistakes(mistakes: readonly Mistake[], options: ShowOptions): Promise<ShownPost[]> {
  const { cells, dataset, mask, signal } = options;
  const records = new Map(options.records.map((record) => [record.id, record]));
  const shown: ShownPost[] = [];
  for (const mistake of mistakes) {
    if (signal?.aborted === true) break;
    const cell = cells[mistake.cell];
    const record = records.get(cell?.ids[mistake.position] ?? '');
    if (cell === undefined || record === undefined) continue;
    const entry = cell.entries.find(({ id }) => id === record.id);
    try {
      const post = applyDisruption(await dataset.read(record), entry, { mask });
      shown.push({ ...(await visiblePost(post, entry)), ...figuresOf(mistake, cell, options) });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
    }
  }
  return shown;
}

function figuresOf(
  { showing, position, truth, predicted, confidence }: Mistake,
  cell: JudgedCell,
  { classes, calibration }: ShowOptions,
): Omit<ShownPost, 'text' | 'image' | 'disruption'> {
  const row = cell.probabilities.subarray(position * classes.length, (position + 1) * classes.length);
  const quality = MODALITIES.flatMap((modality): (readonly [string, string])[] => {
    const quantiles = calibration?.quality?.[modality] ?? null;
    const density = cell.quality?.[modality][position];
    if (quantiles === null || density === undefined || cell.available[modality][position] !== 1) return [];
    return [[`quality of the ${modality}`, percentText(shareBelow(quantiles, density))]];
  });
  return {
    showing,
    id: cell.ids[position] as string,
    cell: formatCell({ testedOn: cell.testedOn }),
    truth: classes[truth] as string,
    predicted: classes[predicted] as string,
    confidence,
    rows: [[`probability of ${classes[truth] as string}`, percentText(row[truth] as number)], ...quality],
  };
}

const percentText = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** What each kind of mistakes is, in order. */
export const SHOWINGS: Readonly<Record<Showing, string>> = {
  sure: 'Intact posts that are wrong with the most confidence',
  confused: 'Other confusions, the most frequent first',
  broken: 'Right until they were disrupted',
};

/** A shown post's disruption, or what it was taken for. */
export function showingNote({ showing, cell, disruption, truth, predicted }: ShownPost): string {
  if (showing === 'confused') return `${truth} taken for ${predicted}`;
  return showing === 'broken' ? (disruption === 'intact' ? cellWords(cell) : disruption) : '';
}
