import type { Dataset, PostRecord } from '@drf/datasets';
import {
  applyDisruption,
  countWords,
  disruptionKey,
  fillMissing,
  planDisruption,
  presenceOf,
  type DisruptionEntry,
  type Strategy,
} from '@drf/disruption';
import { featureKey } from '@drf/encoders';
import type { Modality, Post, RgbImage } from '@drf/tensor';

/** A record with its text read and its disruption decided. */
export interface PlannedRecord {
  readonly record: PostRecord;
  readonly text: string | null;
  readonly entry: DisruptionEntry | undefined;
}

/** A disruption of one modality, drawn anew: pixels or words by the seed, or the modality discarded. */
export interface DrawnDisruption {
  /** Of that modality in every post. */
  readonly strategy: Strategy;
  readonly seed: number;
}

/** A post with a modality disrupted; as it is where a modality is missing, since one stays intact. */
export function withDisruption(plan: PlannedRecord, { strategy, seed }: DrawnDisruption): PlannedRecord {
  const entry = planDisruption(presenceOf({ ...plan.record, text: plan.text }), strategy, seed);
  return entry === null ? plan : { ...plan, entry };
}

/** An image or a text. */
export type Content = RgbImage | string;

/** Whether a modality is there after the disruption. */
export function isPresent({ record, text, entry }: PlannedRecord, modality: Modality): boolean {
  const isDiscarded = entry?.operation === 'discard' && entry.modality === modality;
  return !isDiscarded && (modality === 'image' ? record.image !== null : text !== null);
}

/** A post's image or text after its disruption, or what stands in for a missing one. */
export async function loadContent(
  dataset: Dataset,
  plan: PlannedRecord,
  modality: Modality,
  mask: string,
): Promise<Content> {
  const { record, text, entry } = plan;
  if (!isPresent(plan, modality)) return standIn(modality, mask, wordsOf(plan));
  const isTouched = entry !== undefined && entry.modality === modality;
  if (modality === 'text' && !isTouched) return text as string;
  const post: Post =
    modality === 'text'
      ? { id: record.id, label: record.label, text, image: ABSENT_PIXELS }
      : await dataset.read(record);
  return (isTouched ? applyDisruption(post, entry, { mask }) : post)[modality] as Content;
}

/** Takes the place of a content's hash where a modality is missing. */
const STAND_IN = 'stand-in for a missing modality';

/**
 * The key of a post's image or text after its disruption, or of what stands in for a missing one, in every cache of an
 * encoder: of features, of tokens, of hidden states.
 * @param hashes of undisrupted contents: the data set's, or one that remembers them
 * @throws DataError when the content cannot be read
 */
export async function contentKey(
  hashes: Pick<Dataset, 'contentHash'>,
  plan: PlannedRecord,
  modality: Modality,
  mask: string,
): Promise<string> {
  const { record, entry } = plan;
  if (isPresent(plan, modality))
    return featureKey(await hashes.contentHash(record, modality), disruptionKey(entry, { modality, mask }));
  return featureKey(modality === 'text' ? `${STAND_IN}, ${wordsOf(plan)} words` : STAND_IN, mask);
}

/** Words of a post's text before its disruption; 1 where it has none, so that an encoder has a token to read. */
function wordsOf({ text }: PlannedRecord): number {
  return Math.max(1, countWords(text ?? ''));
}

/**
 * What stands in for a missing modality: a black image, or a text of masks.
 * @param words of the text that is missing, where it is known (see `wordsOf`)
 */
export function standIn(modality: Modality, mask: string, words = 1): Content {
  const nothing = { id: '', label: 0, image: null, text: null };
  return fillMissing(nothing, STAND_IN_SIZE, { mask, words })[modality] as Content;
}

/** A black image is as black at any size. */
const STAND_IN_SIZE = { width: 32, height: 32 };

/** Stands for the image where only the text is disrupted, so that no image is decoded for it. */
const ABSENT_PIXELS: RgbImage = { width: 1, height: 1, data: new Uint8Array(3) };
