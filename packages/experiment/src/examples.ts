import type { Dataset, PostRecord } from '@drf/datasets';
import { writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { encodeSmall } from '@drf/preprocessing';
import { DataError, isOwnId } from '@drf/tensor';
import type { ExperimentData } from './data.js';
import type { RunFolder } from './run-folder.js';
import type { DatasetConfig } from './schema.js';

/** A post that a run shows to those who try it. */
export interface ExamplePost {
  readonly id: string;
  readonly text: string | null;
  /** A JPEG beside the file; null where the post has no image. */
  readonly image: string | null;
  /** What it is in truth. */
  readonly label: string;
}

/** Content of `examples/examples.json`. */
export interface RunExamples {
  readonly format: typeof EXAMPLES_FORMAT;
  /** Which posts they are. */
  readonly split: string;
  readonly posts: readonly ExamplePost[];
}

const EXAMPLES_FORMAT = 'drf-examples-1';
/** Example posts of a run on posts of one's own, unless it is told otherwise. */
const EXAMPLES = 6;
const FOLDER = 'examples';
const SIDE = 320;
const IMAGE_BYTES = 40_000;
const TEXT_LENGTH = 2000;

/**
 * How many posts a run keeps to be tried on. Those of public data sets belong to their authors and are for research
 * alone, so none are copied unless a number is given; the embedded data needs no copies.
 */
export function exampleCount({ name }: DatasetConfig, asked?: number): number {
  return asked ?? (name === 'posts' || isOwnId(name) ? EXAMPLES : 0);
}

/**
 * Keeps a few posts of the test split (without one, of validation) in a run, for its page: images as small JPEGs, texts
 * cut. One of each class in turn; posts that cannot be read are passed over.
 * @param count 0 writes nothing
 */
export async function writeExamples(run: RunFolder, { dataset, splits }: ExperimentData, count: number): Promise<void> {
  const split = splits.test.length > 0 ? 'test' : 'val';
  const posts: ExamplePost[] = [];
  for (const record of inTurn(splits[split])) {
    if (posts.length >= count) break;
    const example = await exampleOf(run, dataset, record, posts.length);
    if (example !== null) posts.push(example);
  }
  if (posts.length === 0) return;
  const examples: RunExamples = { format: EXAMPLES_FORMAT, split, posts };
  await writeJsonAtomic(run.file(FOLDER, 'examples.json'), examples);
}

/** The first post of each class, then the second of each; those with image and text before others. */
function inTurn(records: readonly PostRecord[]): PostRecord[] {
  const isWhole = ({ image, text }: PostRecord): number => Number(image !== null && text !== null);
  const seen = new Map<number, number>();
  const turns = records.toSorted((a, b) => isWhole(b) - isWhole(a)).map((record) => {
    const turn = seen.get(record.label) ?? 0;
    seen.set(record.label, turn + 1);
    return { record, turn };
  });
  return turns.sort((a, b) => a.turn - b.turn || a.record.label - b.record.label).map(({ record }) => record);
} // prettier-ignore

async function exampleOf(
  run: RunFolder,
  dataset: Dataset,
  record: PostRecord,
  place: number,
): Promise<ExamplePost | null> {
  try {
    const { image, text } = await dataset.read(record);
    const file = image === null ? null : `${place}.jpg`;
    if (image !== null && file !== null) {
      const bytes = await encodeSmall(image, { format: 'jpeg', side: SIDE, quality: 90, maximumBytes: IMAGE_BYTES });
      await writeFileAtomic(run.file(FOLDER, file), bytes);
    }
    const label = dataset.classes[record.label] as string;
    return { id: record.id, text: text === null ? null : cut(text), image: file, label };
  } catch (error) {
    if (error instanceof DataError) return null;
    throw error;
  }
}

/** A text's beginning, never half of a character. */
function cut(text: string): string {
  return text.slice(0, TEXT_LENGTH).replace(/[\uD800-\uDBFF]$/, '');
}
