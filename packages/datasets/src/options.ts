import { ConfigurationError, refuser } from '@drf/tensor';
import { DEFAULT_IMAGE_DECODING, type ImageDecoding, type ImageFit } from '@drf/preprocessing';
import type { ColumnNames } from './posts/columns.js';
import type { LabelOptions } from './relabel.js';
import type { EncodingChoice } from './text-decoder.js';
import type { DatasetName } from './names.js';

export { DATASET_NAMES, type DatasetName } from './names.js';

/** The id of a data set of the user's own, whose module was loaded: "my-dataset@1f0c8a93d2e4". */
export type OwnDatasetName = `${string}@${string}`;

/** What to open, from where, and how its images and texts are decoded. */
export interface OpenOptions {
  readonly name: DatasetName | OwnDatasetName;
  /** For a data set of the user's own: its options. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /**
   * The data set's folder. For `posts`: the folder that image paths are relative to (default: that of the file). Nothing
   * outside it is read. For a data set of the user's own: what its module makes of it.
   */
  readonly root?: string;
  /**
   * For `posts`: `.jsonl`, `.csv`, `.tsv`, `.parquet`, or a published split file `.json`. Of several files, each one's
   * name becomes the split of its rows that name none.
   */
  readonly file?: string | readonly string[];
  /** For `posts`: which column holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Which labels are joined, renamed or dropped. */
  readonly labels?: LabelOptions | undefined;
  /** For `posts`: the labels in the order of their classes, as the file has them. Default: those that occur, sorted. */
  readonly classes?: readonly string[];
  /** Side of the decoded square image in pixels, or its size. Default 224. */
  readonly imageSize?: number | { readonly width: number; readonly height: number };
  /** Default `stretch`, as the image processors of ViT do. */
  readonly imageFit?: ImageFit;
  /** Default 100 million: an image that claims more is refused before it is decoded. */
  readonly maximumImagePixels?: number;
  /** Default 64 MiB a file. */
  readonly maximumImageBytes?: number;
  /** Default 1 MiB a text. */
  readonly maximumTextBytes?: number;
  /**
   * Encoding of text files and tables. Default `auto`, found out from the bytes: MVSA-Single is GB18030, unless its texts
   * were saved as UTF-8; in MVSA-Multiple and TumEmo every text is UTF-8 where it can be, else GB18030 or windows-1252;
   * of tables the whole file decides. What was chosen is noted in the ledger.
   */
  readonly encoding?: EncodingChoice;
  /** For `embedded`: seed, sizes, how often image and text disagree. */
  readonly embedded?: Partial<EmbeddedOptions>;
  /** Called now and then while rows are checked. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What every loader needs, checked and with defaults. */
export interface ContentOptions {
  readonly decoding: ImageDecoding;
  readonly maximumImageBytes: number;
  readonly maximumTextBytes: number;
  readonly encoding: EncodingChoice;
  readonly onProgress: (done: number, total: number) => void;
}

function wholeAtLeastOne(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw refuser(ConfigurationError, `openDataset option ${name}`)('a whole number from 1', String(value));
}

/** @throws ConfigurationError naming the option that is out of range */
export function contentOptions(options: OpenOptions): ContentOptions {
  const size = options.imageSize ?? DEFAULT_IMAGE_DECODING.width;
  const { width, height } = typeof size === 'number' ? { width: size, height: size } : size;
  const pixels = options.maximumImagePixels ?? DEFAULT_IMAGE_DECODING.maximumPixels;
  return {
    decoding: {
      width: wholeAtLeastOne('imageSize', width),
      height: wholeAtLeastOne('imageSize', height),
      fit: options.imageFit ?? DEFAULT_IMAGE_DECODING.fit,
      maximumPixels: wholeAtLeastOne('maximumImagePixels', pixels),
    },
    maximumImageBytes: wholeAtLeastOne('maximumImageBytes', options.maximumImageBytes ?? 64 * 1024 * 1024),
    maximumTextBytes: wholeAtLeastOne('maximumTextBytes', options.maximumTextBytes ?? 1024 * 1024),
    encoding: options.encoding ?? 'auto',
    onProgress: options.onProgress ?? (() => undefined),
  };
}

/** How many posts the embedded data set draws, and from what seed. */
export interface EmbeddedOptions {
  /** Decides every draw: vocabulary split, posts, rendering. */
  readonly seed: number;
  /** Posts that each split keeps. */
  readonly train: number;
  readonly val: number;
  readonly test: number;
  /** Share of posts whose image is drawn from another sentiment than their text, in [0, 1]. */
  readonly mismatch: number;
}

/** 840 posts by seed 1, of which 30 % mismatch. */
const DEFAULT_EMBEDDED_OPTIONS: EmbeddedOptions = { seed: 1, train: 480, val: 120, test: 240, mismatch: 0.3 };

/** @throws ConfigurationError naming the option that is out of range */
export function embeddedOptions(options: Partial<EmbeddedOptions> = {}): EmbeddedOptions {
  const all = { ...DEFAULT_EMBEDDED_OPTIONS, ...options };
  for (const name of ['train', 'val', 'test'] as const) check(name, all[name], 'a whole number from 0', isCount);
  check('seed', all.seed, 'a whole number', Number.isSafeInteger);
  check('mismatch', all.mismatch, 'a share from 0 to 1', (value) => value >= 0 && value <= 1);
  return all;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function check(name: string, value: number, expected: string, isRight: (value: number) => boolean): void {
  if (isRight(value)) return;
  throw new ConfigurationError({ subject: `Embedded data set option ${name}`, expected, received: String(value) });
}
