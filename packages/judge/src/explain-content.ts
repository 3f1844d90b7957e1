import {
  ConfigurationError,
  DataError,
  mapAhead,
  MODALITIES,
  refuser,
  type Modality,
  type RgbImage,
} from '@drf/tensor';
import type { Judge, JudgeInfo, Judgment, PostContent } from './judgment.js';

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

/** What {@link explainContent} asks; every `Judge` is one. */
export interface ExplainingJudge extends Pick<Judge, 'judge'> {
  /** Masks in the text are corrupted words: they are not left out. */
  readonly info: Pick<JudgeInfo, 'maskToken' | 'preferredBatch'>;
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
 * A word is dropped (Li, Monroe, Jurafsky, "Understanding neural networks through representation erasure", 2016), and a
 * region becomes the image's mean color (Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV
 * 2014, occlude by gray). The mask and the black pixels by which training corrupts posts would say something themselves:
 * that the post is corrupted. On the quick start's validation posts a masked word lowers the log density of a text twice as
 * far as a dropped one, and a masked comma moves a judgment as a word does; a black region moves judgments nearly twice as
 * far as one of the mean color, and the regions that it ranks first matter less when they are blurred.
 *
 * What is left out one at a time misses what is said twice: without one of two words that say the same, little changes.
 * `modalities` shows the sum of it, and `notes` say so where it is seen.
 *
 * It needs neither Node nor a package but `@drf/tensor`, so it runs in browsers (`@drf/judge/explain`).
 * @throws DataError for a post of nothing; ConfigurationError for a label that is no class and for counts out of range; the
 *   signal's reason when aborted; as `Judge.judge`
 */
export async function explainContent(
  judge: ExplainingJudge,
  content: PostContent,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const { words: most = DEFAULT_WORDS, grid = DEFAULT_GRID, signal, onProgress } = options;
  assertCount('words', most, 0, MOST_WORDS);
  grid?.forEach((cells) => assertCount('grid', cells, 1, MOST_CELLS));
  const { image } = content;
  const text = content.text?.trim() === '' ? null : content.text;
  if (image === null && text === null) {
    throw refuser(DataError, 'The post')('text or an image, or both', 'neither', 'give one of them');
  }
  const { maskToken } = judge.info;
  const isWhole = image !== null && text !== null;
  const { pieces, isGrouped } = text === null ? NOTHING : textPieces(text, most, maskToken);
  // without its only word, a post of nothing else would be none
  const parts = text === null ? [] : pieces.filter(({ start, end }) => image !== null || without(text, start, end).trim() !== ''); // prettier-ignore
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
  const p = Object.hasOwn(judgment.probabilities, label) ? judgment.probabilities[label] : undefined;
  if (p === undefined) {
    const classes = Object.keys(judgment.probabilities).join(', ');
    throw refuser(ConfigurationError, 'explain, label')(`one of ${classes}`, label, 'name a class, or leave it out');
  }
  const changeWithout = async (rest: PostContent): Promise<Change> => {
    const q = (await ask(rest)).probabilities[label] as number;
    return { probability: p - q, logOdds: logOdds(p) - logOdds(q) };
  };

  function* rests(): Generator<PostContent> {
    if (isWhole) yield { image: null, text };
    if (isWhole) yield { image, text: null };
    for (const { start, end } of parts) yield { image, text: without(text as string, start, end) };
    const color = image === null ? [] : meanColor(image);
    for (const cell of cells) yield { image: covered(image as RgbImage, cell, color), text };
  }

  const changes: Change[] = [];
  for await (const change of mapAhead(rests(), judge.info.preferredBatch ?? 1, changeWithout)) changes.push(change);
  const next = (): Change => changes.shift() as Change;
  const modalities = { image: isWhole ? next() : null, text: isWhole ? next() : null };
  const words = parts.map(({ start, end }): ExplainedWord => {
    return { word: (text as string).slice(start, end), start, end, change: next() };
  });
  const regions = cells.map((cell): ExplainedRegion => {
    const { width, height } = image as RgbImage;
    return { left: cell.left / width, top: cell.top / height, right: cell.right / width, bottom: cell.bottom / height, change: next() }; // prettier-ignore
  });
  const found = { label, judgment, words, regions, modalities };
  return { ...found, notes: notesOn(found, isGrouped, pieces.length > parts.length) };
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

function without(text: string, start: number, end: number): string {
  return text.slice(0, start) + text.slice(end);
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
  isGrouped: boolean,
  isAllOfPost: boolean,
): string[] {
  const notes = [
    `A change is the probability of "${label}" as judged, less what it is without that part alone; where two parts say the same, leaving out one of them changes little.`, // prettier-ignore
  ];
  if (isGrouped && isAllOfPost) notes.push('The text was taken as one part: without it, there is nothing to judge.');
  else if (isGrouped) notes.push(`The text is long: it was left out in ${words.length} groups of neighboring words.`);
  else if (isAllOfPost) notes.push('The post is a single word: without it, there is nothing to judge.');
  const sums = { image: sumOf(regions), text: sumOf(words) };
  for (const modality of MODALITIES) {
    const whole = modalities[modality]?.probability ?? 0;
    const parts = sums[modality];
    if (parts === null || Math.abs(whole) < REPEATED || Math.abs(parts) > Math.abs(whole) / 2) continue;
    const [part, name] = modality === 'image' ? ['region', 'image'] : ['word', 'text'];
    notes.push(
      `Without the whole ${name} the probability of "${label}" changes by ${points(whole)} points; ${part} by ${part}, by ${points(parts)} in all. What the ${name} says stands in several ${part}s, so that each by itself looks weaker than it is.`, // prettier-ignore
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

/** Where a region lies, in words: "top left", "center", "bottom right". */
export function placeOf({ left, top, right, bottom }: Omit<ExplainedRegion, 'change'>): string {
  const third = (from: number, to: number): number => Math.min(2, Math.floor((3 * (from + to)) / 2));
  const row = ['top', '', 'bottom'][third(top, bottom)] as string;
  const column = ['left', '', 'right'][third(left, right)] as string;
  return `${row} ${column}`.trim() || 'center';
}

/** The largest change of a probability among parts, whichever its sign; 0 without parts. */
export function largestChange(parts: readonly { readonly change: Change }[]): number {
  return parts.reduce((largest, { change }) => Math.max(largest, Math.abs(change.probability)), 0);
}

/** Parts weaker than so much of the strongest one are shown without a mark. */
const FAINT = 0.1;

/**
 * How strongly a part is marked beside the others of its kind: from −1 (the strongest, against the label) to 1 (for it); 0
 * for what is hardly worth a mark.
 * @param largest of the parts that it is shown with ({@link largestChange})
 */
export function strengthOf({ probability }: Change, largest: number): number {
  const strength = largest === 0 ? 0 : probability / largest;
  return Math.abs(strength) < FAINT || pointsOf(probability) === NO_POINTS ? 0 : strength;
}

const NO_POINTS = '0.0';

/** A change of a probability in points of a hundred, with its sign: "+12.3", "−0.4", "0.0". */
export function pointsOf(probability: number): string {
  const digits = (100 * Math.abs(probability)).toFixed(1);
  return digits === NO_POINTS ? digits : `${probability < 0 ? '−' : '+'}${digits}`;
}

/** Parts by the size of their change, the strongest first. */
export function strongestFirst<Part extends { readonly change: Change }>(parts: readonly Part[]): Part[] {
  const size = ({ change }: Part): number => Math.abs(change.probability);
  return [...parts].sort((a, b) => size(b) - size(a));
}

const SHOWN_PLACES = 3;

/** The strongest places of an image, each by its strongest region: "top left +3.2, center −1.0". */
export function strongestPlaces(regions: readonly ExplainedRegion[]): string {
  const places = new Map<string, string>();
  for (const region of strongestFirst(regions)) {
    const [place, points] = [placeOf(region), pointsOf(region.change.probability)];
    if (points !== NO_POINTS && !places.has(place)) places.set(place, `${place} ${points}`);
  }
  const shown = [...places.values()].slice(0, SHOWN_PLACES);
  return shown.length === 0 ? 'none of them changes anything' : shown.join(', ');
}

/** A text from its beginning to its end: words as they were explained, and what stands between them (word: null). */
export function textParts(
  text: string,
  words: readonly ExplainedWord[],
): { readonly text: string; readonly word: ExplainedWord | null }[] {
  let at = 0;
  const parts = words.flatMap((word) => {
    const between = { text: text.slice(at, word.start), word: null };
    at = word.end;
    return [between, { text: word.word, word }];
  });
  return [...parts, { text: text.slice(at), word: null }].filter((part) => part.text !== '');
}
