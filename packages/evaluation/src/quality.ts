import type { DisruptionEntry } from '@drf/disruption';
import { auroc } from '@drf/metrics';
import { MODALITIES, type Modality } from '@drf/tensor';
import type { QualityAuroc } from './result.js';

/** What is known of a cell's posts, place by place. */
export interface QualityCell {
  readonly ids: readonly string[];
  /** 1 or 0, [posts] */
  readonly available: Readonly<Record<Modality, Float32Array>>;
  readonly entries: readonly DisruptionEntry[];
  /** Low where an output is likely to be corrupted, [posts]; null where the method estimates none. */
  readonly quality: Readonly<Record<Modality, Float32Array | null>>;
}

/** Scores (high: suspicious) and truth of one AUROC. */
interface Evidence {
  readonly scores: number[];
  readonly isCorrupted: boolean[];
}

/**
 * How well low quality finds the corrupted modality, one AUROC a modality; discarded modalities have no quality.
 * Modality-random cells: the posts whose modality is corrupted against the cell's other posts that have it.
 * Modality-fixed cells corrupt every post alike, so there: corrupted posts against the same posts in the clean cell.
 */
export function corruptionAuroc(cell: QualityCell, clean: QualityCell, kind: 'fixed' | 'random'): QualityAuroc | null {
  if (MODALITIES.every((modality) => cell.quality[modality] === null || clean.quality[modality] === null)) return null;
  const of = (modality: Modality): number | null => {
    if (cell.quality[modality] === null || clean.quality[modality] === null) return null;
    const within = evidenceWithin(cell, modality);
    return kind === 'random' ? areaOf(within) : areaOf(againstClean(cell, clean, modality));
  };
  return { image: of('image'), text: of('text') };
}

function evidenceWithin(cell: QualityCell, modality: Modality): Evidence {
  const corrupted = corruptedIds(cell, modality);
  const places = placesWith(cell, modality);
  return {
    scores: places.map((place) => -qualityAt(cell, modality, place)),
    isCorrupted: places.map((place) => corrupted.has(cell.ids[place] as string)),
  };
}

function againstClean(cell: QualityCell, clean: QualityCell, modality: Modality): Evidence {
  const corrupted = corruptedIds(cell, modality);
  const scoresOf = (from: QualityCell): number[] =>
    placesWith(from, modality)
      .filter((place) => corrupted.has(from.ids[place] as string))
      .map((place) => -qualityAt(from, modality, place));
  const [positive, negative] = [scoresOf(cell), scoresOf(clean)];
  return {
    scores: [...positive, ...negative],
    isCorrupted: [...positive.map(() => true), ...negative.map(() => false)],
  };
}

function areaOf({ scores, isCorrupted }: Evidence): number | null {
  const hasBoth = isCorrupted.includes(true) && isCorrupted.includes(false);
  return hasBoth ? auroc(scores, isCorrupted) : null;
}

function corruptedIds({ entries }: QualityCell, modality: Modality): Set<string> {
  const corrupted = entries.filter((entry) => entry.operation === 'corrupt' && entry.modality === modality);
  return new Set(corrupted.map(({ id }) => id));
}

function placesWith({ available }: QualityCell, modality: Modality): number[] {
  return [...available[modality].keys()].filter((place) => available[modality][place] === 1);
}

function qualityAt({ quality }: QualityCell, modality: Modality, place: number): number {
  return quality[modality]?.[place] as number;
}

/** Counts of what was done to the posts. */
export function countDisruptions(entries: readonly DisruptionEntry[]) {
  const count = (modality: Modality, operation: DisruptionEntry['operation']): number =>
    entries.filter((entry) => entry.modality === modality && entry.operation === operation).length;
  const of = (modality: Modality) => ({ corrupted: count(modality, 'corrupt'), discarded: count(modality, 'discard') });
  const [image, text] = MODALITIES.map(of) as [ReturnType<typeof of>, ReturnType<typeof of>];
  return { image, text };
}
