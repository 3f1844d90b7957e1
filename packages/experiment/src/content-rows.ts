import type { Dataset, PostRecord } from '@drf/datasets';
import { isParted, type HiddenStates, type TrainableEncoder, type WantedStates } from '@drf/encoders';
import { mapAhead, DataError, type HostTree, type Modality } from '@drf/tensor';
import {
  contentKey,
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
   * Whether simulated disruptions are chosen among a few versions of each content, as for frozen encoders, since what
   * frozen layers give of them is kept; else each is drawn anew.
   */
  readonly fromDraws?: boolean;
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
    lengths: lengthsOf(source, plans),
    fromDraws: isParted(encoder),
    gather: async (indices, disruptions) => {
      const asked = disrupted(plans, indices, disruptions);
      const contents = await Promise.all(asked.map((plan) => read(source, plan)));
      const inputs = await encoder.preprocess(contents.map((content) => content ?? standIn(modality, source.mask)));
      return { inputs, unreadable: [...contents.keys()].filter((place) => contents[place] === undefined) };
    },
  };
}

/**
 * The same of an encoder whose frozen layers are left out: what they give of the contents is looked up. A batch is padded to
 * its longest text, as if it came from the texts themselves.
 */
export function stateRows(
  source: ContentSource,
  states: HiddenStates<Content>,
  plans: readonly PlannedRecord[],
): ContentRows {
  const { dataset, modality, mask, fail } = source;
  const known = new Map<string, string>();
  const contentHash: Dataset['contentHash'] = async (record, own) => {
    const hash = known.get(record.id) ?? (await dataset.contentHash(record, own));
    known.set(record.id, hash); // reading files for it once is enough
    return hash;
  };
  const wanted = async (plan: PlannedRecord): Promise<WantedStates<Content>> => ({
    key: await contentKey({ contentHash }, plan, modality, mask),
    content: modality === 'text' ? await loadContent(dataset, plan, modality, mask) : undefined,
  });
  return {
    lengths: lengthsOf(source, plans),
    fromDraws: true,
    gather: async (indices, disruptions) => {
      const unreadable: number[] = [];
      const find = async (plan: PlannedRecord, place: number): Promise<WantedStates<Content>> => {
        try {
          return await wanted(encoded(source, plan));
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
          fail(plan.record, error);
          unreadable.push(place);
          return wanted(ABSENT);
        }
      };
      const asked = disrupted(plans, indices, disruptions);
      const inputs = await states.gather(await Promise.all(asked.map(find)));
      return { inputs, unreadable };
    },
  };
}

/** A post without image and text. */
export const ABSENT: PlannedRecord = {
  record: { id: '', label: 0, image: null, text: null },
  text: null,
  entry: undefined,
};

/** What an encoder reads of a post: where nothing stands in for a missing modality, any content does, and is never used. */
export function encoded(
  { standsIn, modality }: Pick<ContentSource, 'standsIn' | 'modality'>,
  plan: PlannedRecord,
): PlannedRecord {
  return standsIn || isPresent(plan, modality) ? plan : ABSENT;
}

function disrupted(
  plans: readonly PlannedRecord[],
  indices: readonly number[],
  disruptions: ReadonlyMap<number, DrawnDisruption> | undefined,
): PlannedRecord[] {
  return indices.map((index, place) => {
    const [plan, drawn] = [plans[index] as PlannedRecord, disruptions?.get(place)];
    return drawn === undefined ? plan : withDisruption(plan, drawn);
  });
}

function lengthsOf({ standsIn, modality }: ContentSource, plans: readonly PlannedRecord[]): Int32Array {
  return Int32Array.from(plans, (plan) =>
    modality === 'text' && (standsIn || isPresent(plan, 'text')) ? (plan.text ?? '').length : 0,
  );
}

/** A content, or none with a word to `fail`. */
async function read(
  { dataset, modality, mask, standsIn, fail }: Omit<ContentSource, 'encoder'>,
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
  source: Omit<ContentSource, 'encoder'>,
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
