import { ConfigurationError, DataError, MODALITIES, refuser, type Modality, type RgbImage } from '@drf/tensor';
import { type Judge, type JudgeInfo, type Judgment, type PostContent } from './judgment.js';

/** What a part of a post does to the explained label: above 0, it speaks for it; below 0, against it. */
export interface Change {
  /** Probability of the label as judged, less its probability without the part: from −1 to 1. */
  readonly probability: number;
  /** The same in log odds, log(p / (1 − p)), with p kept within 1e-7 … 1 − 1e-7. */
  readonly logOdds: number;
}

/** A word, an emoji, a mark, or several of them that stand side by side. */
export interface ExplainedWord {
  /** As it stands in the text. */
  readonly word: string;
  /** Its place in the text, in UTF-16 units; the end is the first that does not belong to it. */
  readonly start: number;
  readonly end: number;
  readonly change: Change;
}

/** A rectangle of the image; its edges are shares of width and height, from 0 to 1. */
export interface ExplainedRegion {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly change: Change;
}

/** Which parts of a post moved its judgment, and by how much. */
export interface Explanation {
  /** The class that is explained. */
  readonly label: string;
  /** Of the whole post. */
  readonly judgment: Judgment;
  /** In the order of the text; none without one. */
  readonly words: readonly ExplainedWord[];
  /** Row by row from the top left; none without an image. */
  readonly regions: readonly ExplainedRegion[];
  /** A whole modality left out, as a post that lacks it; null where it is missing, or is all that the post has. */
  readonly modalities: Readonly<Record<Modality, Change | null>>;
  /** How parts were left out, and what this cannot show; a sentence each, for people. */
  readonly notes: readonly string[];
}

export interface ExplainOptions {
  /** The class to explain; default the most probable one. */
  readonly label?: string;
  /** Most parts that the text is cut into, 0 for none; longer texts go by groups of neighboring words. Default 40. */
  readonly words?: number;
  /** Rows and columns that the image is cut into; null: it is not cut. Default 7 × 7. */
  readonly grid?: readonly [rows: number, columns: number] | null;
  readonly signal?: AbortSignal;
  /** Told after each judgment. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What {@link explain} asks; every `Judge` is one. */
export interface ExplainingJudge extends Pick<Judge, 'judge'> {
  readonly info: Pick<JudgeInfo, 'maskToken'>;
}

/** Most parts that may be asked for. */
export const MOST_WORDS = 400;
/** Most rows, and most columns. */
export const MOST_CELLS = 32;
const DEFAULT_WORDS = 40;
const DEFAULT_GRID = [7, 7] as const;

/**
 * Explains a judgment by leaving out: one part of the post at a time is hidden, the rest is judged again, and the change
 * of the label's probability is what the part did. Any judge can be explained, since nothing but `judge` is asked: one
 * judgment for the post, one for each word, region and modality. The same post by the same judge gives the same explanation.
 *
 * A word becomes the text encoder's mask, which keeps the number and places of the other words, and which training knows
 * from corrupted texts; where the mask is not known, the word is dropped. A region becomes the image's mean color (Zeiler
 * and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, occlude by gray): a black rectangle in a
 * bright picture is an object of its own, and moves a judgment further for being black than for what it hides.
 *
 * What is left out one at a time misses what is said twice: without one of two words that say the same, little changes.
 * `modalities` shows the sum of it, and `notes` say so where it is seen.
 *
 * ```ts
 * const { label, words } = await explain(judge, { text: 'What a lovely day', image: null });
 * const strongest = words.toSorted((a, b) => b.change.probability - a.change.probability)[0];
 * ```
 * @throws ConfigurationError for a label that is no class and for counts out of range; the signal's reason when aborted; as
 *   `Judge.judge`
 */
export async function explain(
  judge: ExplainingJudge,
  post: PostContent,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const { words: most = DEFAULT_WORDS, grid = DEFAULT_GRID, signal, onProgress } = options;
  assertCount('words', most, 0, MOST_WORDS);
  grid?.forEach((cells) => assertCount('grid', cells, 1, MOST_CELLS));
  const content = present(post);
  const { image, text } = content;
  const { maskToken } = judge.info;
  const isWhole = image !== null && text !== null;
  const { pieces, isGrouped } = text === null ? NOTHING : textPieces(text, most, maskToken);
  // a lone word that can only be dropped leaves no post behind
  const parts = text === null ? [] : pieces.filter(({ start, end }) => image !== null || without(text, start, end, maskToken).trim() !== ''); // prettier-ignore
  const cells = image === null || grid === null ? [] : gridCells(image, grid);
  const total = 1 + (isWhole ? 2 : 0) + parts.length + cells.length;
  let done = 0;

  const ask = async (asked: PostContent): Promise<Judgment> => {
    signal?.throwIfAborted();
    const judgment = await judge.judge(asked);
    onProgress?.(++done, total);
    return judgment;
  };
  const judgment = await ask(content);
  const label = options.label ?? judgment.label;
  const p = judgment.probabilities[label];
  if (p === undefined) {
    const classes = Object.keys(judgment.probabilities).join(', ');
    throw refuser(ConfigurationError, 'explain, label')(`one of ${classes}`, label, 'name a class, or leave it out');
  }
  const changeWithout = async (rest: PostContent): Promise<Change> => {
    const q = (await ask(rest)).probabilities[label] as number;
    return { probability: p - q, logOdds: logOdds(p) - logOdds(q) };
  };

  const modalities = {
    image: isWhole ? await changeWithout({ image: null, text }) : null,
    text: isWhole ? await changeWithout({ image, text: null }) : null,
  };
  const words: ExplainedWord[] = [];
  for (const { start, end } of parts) {
    const change = await changeWithout({ image, text: without(text as string, start, end, maskToken) });
    words.push({ word: (text as string).slice(start, end), start, end, change });
  }
  const regions: ExplainedRegion[] = [];
  const color = image === null ? [] : meanColor(image);
  for (const cell of cells) {
    const { width, height } = image as RgbImage;
    const change = await changeWithout({ image: covered(image as RgbImage, cell, color), text });
    regions.push({ left: cell.left / width, top: cell.top / height, right: cell.right / width, bottom: cell.bottom / height, change }); // prettier-ignore
  }
  const found = { label, judgment, words, regions, modalities };
  return { ...found, notes: notesOn(found, maskToken, isGrouped) };
}

function assertCount(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw refuser(ConfigurationError, `explain, ${name}`)(`a whole number from ${least} to ${most}`, String(value));
}

const SMALLEST = 1e-7;

function logOdds(probability: number): number {
  const p = Math.min(1 - SMALLEST, Math.max(SMALLEST, probability));
  return Math.log(p / (1 - p));
}

/** A piece of a text, in UTF-16 units. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

/** White space is no text. @throws DataError for a post of nothing */
function present({ image, text }: PostContent): PostContent {
  const some = text === null || text.trim() === '' ? null : text;
  if (image !== null || some !== null) return { image, text: some };
  throw refuser(DataError, 'The post')('text or an image, or both', 'neither', 'give one of them');
}

const NOTHING = { pieces: [], isGrouped: false } as const;

/**
 * Words by Unicode's boundaries (UAX 29; Chinese, Japanese and Thai by ICU's dictionaries), whatever the machine's
 * language. Addresses, hashtags and names of accounts stay whole, emoji stand by themselves, and marks that follow each
 * other (`!!!`, `:-)`) are one piece. White space and masks are no pieces.
 */
function textPieces(text: string, most: number, maskToken: string | null): { pieces: Piece[]; isGrouped: boolean } {
  const pieces = cutText(text, maskToken);
  if (most === 0) return { pieces: [], isGrouped: false };
  if (pieces.length <= most) return { pieces, isGrouped: false };
  const groups = Array.from({ length: most }, (_, i) => {
    const [first, last] = [i, i + 1].map((edge) => Math.floor((edge * pieces.length) / most)) as [number, number];
    return { start: (pieces[first] as Piece).start, end: (pieces[last - 1] as Piece).end };
  });
  return { pieces: groups, isGrouped: true };
}

const WHOLE = /https?:\/\/\S+|(?<![\p{L}\p{N}])[#@][\p{L}\p{N}_]+/gu;
const EMOJI = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;

function cutText(text: string, maskToken: string | null): Piece[] {
  const whole = [...text.matchAll(WHOLE)].map(({ index, 0: { length } }) => ({ start: index, end: index + length }));
  const masks = maskToken === null || maskToken === '' ? [] : placesOf(text, maskToken);
  const held = [...whole, ...masks].sort((a, b) => a.start - b.start);
  const pieces: Piece[] = [];
  let at = 0;
  for (const { start, end } of held) {
    if (start < at) continue; // inside of another one
    pieces.push(...cutWords(text, at, start));
    if (whole.some((each) => each.start === start)) pieces.push({ start, end });
    at = end;
  }
  return [...pieces, ...cutWords(text, at, text.length)];
}

function placesOf(text: string, part: string): Piece[] {
  const places: Piece[] = [];
  for (let start = text.indexOf(part); start !== -1; start = text.indexOf(part, start + part.length)) {
    places.push({ start, end: start + part.length });
  }
  return places;
}

function cutWords(text: string, from: number, to: number): Piece[] {
  const pieces: (Piece & { readonly isMark: boolean })[] = [];
  const segmenter = new Intl.Segmenter('und', { granularity: 'word' });
  for (const { segment, index, isWordLike } of segmenter.segment(text.slice(from, to))) {
    if (segment.trim() === '') continue;
    const [start, end] = [from + index, from + index + segment.length];
    const isMark = isWordLike !== true && !EMOJI.test(segment);
    const last = pieces.at(-1);
    if (isMark && last?.isMark === true && last.end === start) {
      pieces[pieces.length - 1] = { start: last.start, end, isMark };
    } else pieces.push({ start, end, isMark });
  }
  return pieces.map(({ start, end }) => ({ start, end }));
}

/** A text with one mask in place of a piece, or without it where no mask is known. */
function without(text: string, start: number, end: number, maskToken: string | null): string {
  return text.slice(0, start) + (maskToken ?? '') + text.slice(end);
}

/** A rectangle in pixels; right and bottom are the first that do not belong to it. */
interface Cell {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Cells of about the same size, at least a pixel wide and high. */
function gridCells({ width, height }: RgbImage, [rows, columns]: readonly [number, number]): Cell[] {
  const edges = (count: number, size: number): number[] => {
    const cells = Math.min(count, size);
    return Array.from({ length: cells + 1 }, (_, i) => Math.round((i * size) / cells));
  };
  const [ys, xs] = [edges(rows, height), edges(columns, width)];
  return ys.slice(1).flatMap((bottom, row) =>
    xs.slice(1).map((right, column) => ({ left: xs[column] as number, top: ys[row] as number, right, bottom })),
  ); // prettier-ignore
}

/** Mean red, green and blue, as whole numbers. */
function meanColor({ data }: RgbImage): number[] {
  const sums = [0, 0, 0];
  for (let i = 0; i < data.length; i++) sums[i % 3] = (sums[i % 3] as number) + (data[i] as number);
  return sums.map((sum) => Math.round((3 * sum) / data.length));
}

function covered(
  { width, height, data }: RgbImage,
  { left, top, right, bottom }: Cell,
  color: readonly number[],
): RgbImage {
  // prettier-ignore
  const copy = Uint8Array.from(data);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) copy.set(color, 3 * (y * width + x));
  }
  return { width, height, data: copy };
}

/** Of the change that a whole modality makes, at least so much must be missing in its parts to be told. */
const REPEATED = 0.1;

function notesOn(
  { label, words, regions, modalities }: Omit<Explanation, 'notes'>,
  maskToken: string | null,
  isGrouped: boolean,
): string[] {
  const notes = [
    `A change is the probability of "${label}" as judged, less what it is without that part alone; where two parts say the same, leaving out one of them changes little.`, // prettier-ignore
  ];
  if (isGrouped) notes.push(`The text is long: it was left out in ${words.length} groups of neighboring words.`);
  if (words.length > 0 && maskToken === null) {
    notes.push('Words were dropped, since the mask of the text encoder is not known: the words behind them moved up.');
  }
  const sums = { image: sumOf(regions), text: sumOf(words) };
  for (const modality of MODALITIES) {
    const whole = modalities[modality]?.probability ?? 0;
    const parts = sums[modality];
    if (parts === null || Math.abs(whole) < REPEATED || Math.abs(parts) > Math.abs(whole) / 2) continue;
    const [part, name] = modality === 'image' ? ['region', 'image'] : ['word', 'text'];
    notes.push(
      `Without its whole ${name} the post's probability of "${label}" changes by ${points(whole)} points, ${part} by ${part} by ${points(parts)} in all: what it says stands in several ${part}s.`, // prettier-ignore
    );
  }
  return notes;
}

function sumOf(parts: readonly { readonly change: Change }[]): number | null {
  return parts.length === 0 ? null : parts.reduce((sum, { change }) => sum + change.probability, 0);
}

function points(share: number): string {
  return (100 * Math.abs(share)).toFixed(0);
}
