import type { Dataset, PostRecord } from '@drf/datasets';
import type { TrainableEncoder } from '@drf/encoders';
import { mapAhead, DataError, type HostTree, type Modality } from '@drf/tensor';
import {
  isPresent,
  loadContent,
  standIn,
  withDisruption,
  type Content,
  type DrawnDisruption,
  type PlannedRecord,
} from './planned-record.js';

/** What an encoder inside the step reads of a batch. */
export interface ContentBatch {
  readonly inputs: HostTree;
  /** Places in the batch whose content could be read before, but not any more: a stand-in is in their row. */
  readonly unreadable: readonly number[];
}

/**
 * Contents of posts for an encoder inside the step, one modality. They are read, disrupted and preprocessed when a batch
 * asks for them, so that memory does not grow with the posts.
 */
export interface ContentRows {
  /** Characters of each text, by which posts can be grouped; 0 for images. [posts] */
  readonly lengths: Int32Array;
  /**
   * Reads, disrupts and preprocesses the posts at these places.
   * @param disruptions of intact posts, by their place in the batch, beside what is planned
   */
  gather(indices: readonly number[], disruptions?: ReadonlyMap<number, DrawnDisruption>): Promise<ContentBatch>;
}

/** Where contents come from. */
export interface ContentSource {
  readonly dataset: Dataset;
  readonly modality: Modality;
  readonly encoder: TrainableEncoder<Content>;
  /** The text encoder's mask token. */
  readonly mask: string;
  /** Whether the method takes a stand-in for what is missing; off: its row is read and never used. */
  readonly standsIn: boolean;
  /** Told of a post whose content cannot be read. */
  readonly fail: (record: PostRecord, error: DataError) => void;
}

/** Contents of the given posts; a missing one has a stand-in in its row, since an encoder needs numbers to read. */
export function contentRows(source: ContentSource, plans: readonly PlannedRecord[]): ContentRows {
  const { encoder, modality } = source;
  return {
    lengths: Int32Array.from(plans, (plan) => (modality === 'text' ? lengthOf(source, plan) : 0)),
    gather: async (indices, disruptions) => {
      const planOf = (index: number, place: number): PlannedRecord => {
        const [plan, drawn] = [plans[index] as PlannedRecord, disruptions?.get(place)];
        return drawn === undefined ? plan : withDisruption(plan, drawn);
      };
      const contents = await Promise.all(indices.map((index, place) => read(source, planOf(index, place))));
      const inputs = await encoder.preprocess(contents.map((content) => content ?? standIn(modality, source.mask)));
      return { inputs, unreadable: [...contents.keys()].filter((place) => contents[place] === undefined) };
    },
  };
}

function lengthOf({ standsIn }: ContentSource, plan: PlannedRecord): number {
  return standsIn || isPresent(plan, 'text') ? (plan.text ?? '').length : 0;
}

/** A content, or none with a word to `fail`. */
async function read(
  { dataset, modality, mask, standsIn, fail }: ContentSource,
  plan: PlannedRecord,
): Promise<Content | undefined> {
  if (!standsIn && !isPresent(plan, modality)) return standIn(modality, mask);
  try {
    return await loadContent(dataset, plan, modality, mask);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    fail(plan.record, error);
    return undefined;
  }
}

/** Images that are decoded side by side. */
const IMAGES_AHEAD = 16;

/**
 * Decodes every image once, so that a post whose image is damaged is reported and left out before training, not at some
 * step of it. Texts have been read already.
 */
export async function checkReadable(
  source: ContentSource,
  plans: readonly PlannedRecord[],
  onProgress?: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const present = source.modality === 'text' ? [] : plans.filter((plan) => isPresent(plan, 'image'));
  let done = 0;
  const check = async (plan: PlannedRecord): Promise<number> => {
    await read(source, plan);
    return ++done;
  };
  for await (const count of mapAhead(present, IMAGES_AHEAD, check)) {
    signal?.throwIfAborted();
    onProgress?.(count, present.length);
  }
}
