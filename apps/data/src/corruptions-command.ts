import { DataError, type Post, type RgbImage } from '@drf/tensor';
import {
  applyDisruption,
  corruptedModality,
  CORRUPTION_NAMES,
  planDisruption,
  presenceOf,
  SEVERITIES,
  type CorruptionName,
} from '@drf/disruption';
import { writeFileAtomic } from '@drf/files';
import { encodeSmall, openDrawing } from '@drf/preprocessing';
import { spell, wholeNumber, withExamples, type Command } from '@drf/terminal';
import { addDatasetFlags, openFromFlags, type DatasetFlags } from './dataset-options.js';
import { absent } from './show-command.js';

interface CorruptionsFlags extends DatasetFlags {
  readonly seed: number;
  readonly out: string;
}

/** `data corruptions`: one post under every corruption and severity, as a picture. */
export function addCorruptionsCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('corruptions')
    .description('Draws one post under every corruption beyond the paper, by severity, as a PNG file.')
    .argument('[id]', "the post's id (default: the first that has image and text)")
    .option('--seed <number>', 'decides the corruptions', wholeNumber(), 0)
    .requiredOption('--out <file>', 'the picture');
  addDatasetFlags(command).action((id: string | undefined, flags: CorruptionsFlags) => draw(id, flags, print));
  withExamples(command, [
    [spell('data corruptions --out corruptions.png'), 'a post of the embedded data'],
    [spell('data corruptions 17 --dataset mvsa-single --root DIR --out corruptions.png'), 'a post of yours'],
  ]);
}

async function draw(id: string | undefined, flags: CorruptionsFlags, print: (text: string) => void): Promise<void> {
  const dataset = await openFromFlags(flags);
  const record = dataset.records.find((own) =>
    id === undefined ? own.image !== null && own.text !== null : own.id === id,
  );
  if (record === undefined) throw absent(dataset, id ?? 'and with image and text');
  const post = await dataset.read(record);
  await writeFileAtomic(flags.out, await corruptionSheet(post, flags.seed));
  print(`Post ${post.id} under ${Object.values(CORRUPTION_NAMES).flat().length} corruptions: ${flags.out}\n`);
}

/** Pixels of the sheet. */
const CELL = 150;
const MARGIN = 8;
const NAMES = 130;
const LINE = 13;
const HEAD = 24;
/** Characters of a line of text in a cell. */
const COLUMNS = 24;

/**
 * One post under every corruption, a row each, by severity, after the intact post.
 * @returns a PNG file
 * @throws DataError for a post that lacks a modality
 */
async function corruptionSheet(post: Post, seed: number): Promise<Uint8Array> {
  const { hasImage, hasText } = presenceOf(post);
  if (!hasImage || !hasText) {
    throw new DataError({
      subject: `Post ${JSON.stringify(post.id)}`,
      expected: 'image and text, since one stays intact',
      received: hasImage ? 'no text' : hasText ? 'no image' : 'neither',
      remedy: 'choose another post',
    });
  }
  const rows = [...CORRUPTION_NAMES.image, ...CORRUPTION_NAMES.text];
  const heads = ['intact', ...SEVERITIES.map((severity) => `severity ${severity}`)];
  const parts: string[] = heads.map((head, i) => textAt(xOf(i), MARGIN + LINE, head));
  let top = HEAD;
  for (const name of rows) {
    parts.push(textAt(MARGIN, top + LINE, name.replaceAll('_', ' ')));
    const versions = [post, ...SEVERITIES.map((severity) => corrupt(post, name, severity, seed))];
    if (corruptedModality(name) === 'image') {
      for (const [column, { image }] of versions.entries()) {
        parts.push(await imageAt(xOf(column), top, image as RgbImage));
      }
      top += CELL + MARGIN;
    } else {
      const texts = versions.map(({ text }) => linesOf(text as string));
      texts.forEach((lines, column) => parts.push(textAt(xOf(column), top + LINE, ...lines)));
      top += LINE * Math.max(...texts.map(({ length }) => length)) + 2 * MARGIN;
    }
  }
  const [width, height] = [xOf(heads.length), top];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#ffffff"/>${parts.join('')}</svg>`;
  return (await openDrawing(svg, { density: 72 })).png().toBuffer();
}

function corrupt(post: Post, corruption: CorruptionName, severity: (typeof SEVERITIES)[number], seed: number): Post {
  const strategy = { kind: 'corruption', corruption, severity, ratio: 1 } as const;
  return applyDisruption(post, planDisruption(presenceOf(post), strategy, seed));
}

const xOf = (column: number): number => NAMES + column * (CELL + MARGIN);

function textAt(x: number, y: number, ...lines: string[]): string {
  const spans = lines.map((line, i) => `<tspan x="${x}" y="${y + i * LINE}">${escaped(line)}</tspan>`);
  return `<text font-family="sans-serif" font-size="11" fill="#111111">${spans.join('')}</text>`;
}

/** What SVG takes: no markup, and no characters that XML does not know. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Control}\p{Surrogate}\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}

/** A text in lines as long as a cell is wide, as many as it is high. */
function linesOf(text: string): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last.length + word.length < COLUMNS) lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    else lines.push(word);
  }
  const most = Math.floor(CELL / LINE);
  return lines.length <= most ? lines : [...lines.slice(0, most - 1), '…'];
}

async function imageAt(x: number, y: number, image: RgbImage): Promise<string> {
  const bytes = await encodeSmall(image, { format: 'jpeg', side: CELL, quality: 95 });
  const address = `data:image/jpeg;base64,${Buffer.from(bytes).toString('base64')}`;
  return `<image x="${x}" y="${y}" width="${CELL}" height="${CELL}" href="${address}"/>`;
}
