// Compares token ids and pixels with those of Python's transformers, on posts of a data set in MVSA's layout.
//
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/compare-preprocessing.ts \
//     PYTHON MODEL POSTS
//
// PYTHON has transformers and Pillow; MODEL is a folder with tokenizer.json or preprocessor_config.json; POSTS a folder
// with texts (N.txt, in GB18030) and images (N.jpg). Prints how many posts are equal, and every difference.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { parseImageProcessor } from '../src/huggingface/image-processor.js';
import { createImageProcessor } from '../src/huggingface/image-processor.js';
import { createTextTokenizer } from '../src/huggingface/text-tokenizer.js';

const [python, model, posts] = process.argv.slice(2) as [string, string, string];
const SCRIPT = fileURLToPath(new URL('../reference/preprocess.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'drf-compare-'));
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const reference = (...args: string[]): void => void execFileSync(python, [SCRIPT, ...args], { stdio: 'pipe' });
const filesOf = (ending: string): string[] =>
  readdirSync(posts)
    .filter((name) => name.endsWith(ending))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .map((name) => join(posts, name));

function compareTexts(): void {
  const texts = filesOf('.txt').map((path) => new TextDecoder('gb18030').decode(readFileSync(path)).trim());
  writeFileSync(join(folder, 'texts.json'), JSON.stringify(texts));
  reference('tokenize', model, join(folder, 'texts.json'), join(folder, 'ids.json'));
  const { ids, limit } = json(join(folder, 'ids.json')) as { ids: Record<string, number[][]>; limit: number };
  const files = { tokenizer: json(join(model, 'tokenizer.json')), config: json(join(model, 'tokenizer_config.json')) };
  const tokenizer = createTextTokenizer(files, limit, model);
  const ours = texts.map((text) => tokenizer.encode(text).join());
  for (const [kind, lists] of Object.entries(ids)) {
    const different = [...ours.keys()].filter((i) => ours[i] !== lists[i]?.join());
    console.log(`${kind} tokenizer: ${texts.length - different.length} of ${texts.length} texts have equal ids`);
    for (const i of different) console.log(JSON.stringify(texts[i]), ours[i], lists[i]?.join());
  }
}

async function compareImages(): Promise<void> {
  const files = filesOf('.jpg').slice(0, 60);
  const config = parseImageProcessor(json(join(model, 'preprocessor_config.json')), 'preprocessor_config.json');
  const processor = createImageProcessor(config);
  writeFileSync(join(folder, 'images.json'), JSON.stringify(files.map((path) => ({ path }))));
  reference('pixels', model, join(folder, 'images.json'), join(folder, 'pixels.f32'));
  const { buffer, byteOffset, byteLength } = readFileSync(join(folder, 'pixels.f32'));
  const theirs = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const levels = (channel: number): number => (config.normalize?.std[channel] ?? 1) / (config.rescale ?? 1);
  let [place, largest, sum] = [0, 0, 0];
  for (const path of files) {
    const { data, info } = await sharp(path)
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { pixels } = processor({ width: info.width, height: info.height, data: new Uint8Array(data) });
    for (const [i, value] of pixels.entries()) {
      const difference = Math.abs(value - (theirs[place++] as number)) * levels(i % 3);
      largest = Math.max(largest, difference);
      sum += difference;
    }
  }
  console.log(
    `${files.length} images, gray levels apart: at most ${largest.toFixed(3)}, on average ${(sum / place).toFixed(5)}`,
  );
}

try {
  if (existsSync(join(model, 'tokenizer.json'))) compareTexts();
  if (existsSync(join(model, 'preprocessor_config.json'))) await compareImages();
} finally {
  rmSync(folder, { recursive: true });
}
