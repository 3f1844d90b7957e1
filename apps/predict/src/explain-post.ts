import { readBounded, writeFileAtomic } from '@drf/files';
import {
  explain,
  largestChange,
  pointsOf,
  strengthOf,
  strongestFirst,
  strongestPlaces,
  type Change,
  type ExplainedRegion,
  type Explanation,
  type Judge,
  type Picture,
} from '@drf/judge';
import sharp from 'sharp';
import { explanationPage } from './explanation-page.js';

interface ExplainPostOptions {
  readonly text?: string;
  /** Path of an image file. */
  readonly image?: string;
  /** The class to explain; default the most probable one. */
  readonly label?: string;
  /** Rows, and columns, that the image is cut into. */
  readonly grid?: number;
  /** A file for a page that shows it. */
  readonly page?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Explains the judgment of one post that was named on the command line, and writes a page about it where one is asked for.
 * @throws DataError when the image cannot be read or decoded, both are missing, or the page cannot be written; as `explain`
 */
export async function explainOne(judge: Judge, options: ExplainPostOptions): Promise<Explanation> {
  const { text = null, image: path, label, grid, page, signal, onProgress } = options;
  const size = grid === undefined ? {} : { grid: [grid, grid] as const };
  const explanation = await explain(judge, { text, image: path }, { label, ...size, signal, onProgress });
  if (page !== undefined) {
    const picture = path === undefined ? null : await pictureOf(await readBounded(path, MAXIMUM_IMAGE_BYTES));
    await writeFileAtomic(page, explanationPage(explanation, { text, picture }, judge.info));
  }
  return explanation;
}

const MAXIMUM_IMAGE_BYTES = 64 * 1024 * 1024;
const MAXIMUM_PIXELS = 100_000_000;
/** Longest side of the picture in a page. */
const PICTURE_SIDE = 640;

/** The image for a page: turned as EXIF says, its aspect kept, small enough to be part of the file. */
async function pictureOf(bytes: Uint8Array): Promise<Picture> {
  const { data, info } = await sharp(bytes, { limitInputPixels: MAXIMUM_PIXELS })
    .rotate()
    .resize({ width: PICTURE_SIDE, height: PICTURE_SIDE, fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#ffffff' })
    .webp({ quality: 80 })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { address: `data:image/webp;base64,${data.toString('base64')}`, width, height };
}

/** Words that a person is shown, the strongest first; `--json` and the page have all. */
const SHOWN_WORDS = 12;
const BAR = 10;

/** An explanation for a person, in plain text. */
export function explanationText(explanation: Explanation): string {
  const { label, words, regions, modalities, notes } = explanation;
  const lines = [`Why "${label}": change of its probability by each part, in points (+ speaks for it, − against it)`];
  const wholes = (['text', 'image'] as const).flatMap((modality) => {
    const change = modalities[modality];
    return change === null ? [] : [[`the whole ${modality}`, change] as const];
  });
  if (wholes.length > 0) lines.push('', ...barLines(wholes));
  if (words.length > 0) {
    const shown = strongestFirst(words).slice(0, SHOWN_WORDS);
    lines.push('', shown.length < words.length ? `The ${shown.length} strongest of ${words.length} words:` : 'Words, the strongest first:'); // prettier-ignore
    lines.push(...barLines(shown.map(({ word, change }) => [shortened(word), change] as const)));
  }
  if (regions.length > 0) lines.push('', ...regionLines(regions));
  return [...lines, '', ...notes].join('\n');
}

const LONGEST_NAME = 32;

function shortened(word: string): string {
  const characters = Array.from(word.replaceAll(/\s+/g, ' '));
  return characters.length > LONGEST_NAME ? `${characters.slice(0, LONGEST_NAME - 1).join('')}…` : characters.join('');
}

/** Names, changes and bars: `+` for the label, `−` against it; the largest change fills the bar. */
function barLines(parts: readonly (readonly [name: string, change: Change])[]): string[] {
  const largest = largestChange(parts.map(([, change]) => ({ change })));
  const width = Math.max(...parts.map(([name]) => Array.from(name).length));
  return parts.map(([name, { probability }]) => {
    const length = largest === 0 ? 0 : Math.round((BAR * Math.abs(probability)) / largest);
    const bar = (probability < 0 ? '−' : '+').repeat(length);
    return `  ${name}${' '.repeat(width - Array.from(name).length)}  ${pointsOf(probability).padStart(6)}  ${bar}`.trimEnd();
  });
}

/** The strongest regions by name, and all of them as a picture of signs. */
function regionLines(regions: readonly ExplainedRegion[]): string[] {
  const largest = largestChange(regions);
  const rows = new Map<number, ExplainedRegion[]>();
  for (const region of regions) rows.set(region.top, [...(rows.get(region.top) ?? []), region]);
  const columns = rows.values().next().value?.length ?? 0;
  const sign = ({ change }: ExplainedRegion): string => {
    const strength = strengthOf(change, largest);
    if (strength === 0) return '· ';
    return (strength < 0 ? '−' : '+').repeat(Math.abs(strength) < 0.5 ? 1 : 2).padEnd(2);
  };
  return [
    `Image in ${rows.size} × ${columns} regions, strongest: ${strongestPlaces(regions)}`,
    ...Array.from(rows.values(), (row) => `  ${row.map(sign).join(' ')}`.trimEnd()),
  ];
}
