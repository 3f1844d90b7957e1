import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Judge, JudgeInfo, Judgment, PostContent } from '@drf/judge';
import { explainOne, explanationText } from './explain-post.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-explain-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const INFO: JudgeInfo = {
  name: 'tiny <run>',
  sources: [],
  classes: ['good', 'bad'],
  method: 'drf',
  encoders: { image: 'a', text: 'b' },
  imageSize: 6,
  maskToken: '[MASK]',
  engine: 'none',
  calibration: null,
  notes: [],
};

/** "lovely" and red pixels in the left half speak for "good", "rain" against it. */
function verdict({ text, image }: PostContent): Judgment {
  let sum = 0;
  if (text?.includes('lovely') === true) sum += 2;
  if (text?.includes('rain') === true) sum -= 1;
  for (let y = 0; y < (image?.height ?? 0); y++) {
    for (let x = 0; x < 3; x++) if ((image?.data[3 * (6 * y + x)] ?? 0) > 200) sum += 0.1;
  }
  const good = 1 / (1 + Math.exp(-sum));
  const none = { image: null, text: null };
  return {
    label: good >= 0.5 ? 'good' : 'bad',
    probabilities: { good, bad: 1 - good },
    quality: none,
    logDensity: none,
    intact: none,
    pairWeights: null,
    recovered: null,
    unfamiliar: null,
  };
}
const judge: Judge = { info: INFO, judge: async (post) => verdict(post as PostContent), close: async () => undefined };

const TEXT = 'A lovely <b>day</b> in rain';

async function leftRed(): Promise<string> {
  const path = join(folder, 'image.png');
  const red = await sharp({ create: { width: 30, height: 60, channels: 3, background: '#ff0000' } })
    .png()
    .toBuffer();
  const canvas = sharp({ create: { width: 60, height: 60, channels: 3, background: '#0000ff' } });
  await canvas
    .composite([{ input: red, left: 0, top: 0 }])
    .png()
    .toFile(path);
  return path;
}

it('says in plain text which words and which parts of the image did it', async () => {
  const explanation = await explainOne(judge, { text: TEXT, image: await leftRed(), grid: 2 });
  expect(explanation.label).toBe('good');
  const lines = explanationText(explanation).split('\n');
  expect(lines[0]).toContain('Why "good"');
  expect(lines.find((line) => line.startsWith('  lovely'))).toMatch(/lovely +\+\d+\.\d {2}\++$/);
  expect(lines.find((line) => line.startsWith('  rain'))).toMatch(/rain +−\d+\.\d {2}−+$/);
  expect(lines.find((line) => line.startsWith('Image in'))).toMatch(
    /^Image in 2 × 2 regions, strongest: top left \+\d/,
  );
  expect(lines).toContain('  ++ ·');
});

it('writes a page in one file, with everything escaped, that needs no network', async () => {
  const page = join(folder, 'why.html');
  await explainOne(judge, { text: TEXT, image: await leftRed(), grid: 2, page });
  const html = await readFile(page, 'utf8');
  expect(html).toContain('tiny &lt;run&gt;');
  expect(html).toMatch(/<span class="part for" style="--strength:1\.00">lovely<sup>\+\d+\.\d<\/sup><\/span>/);
  expect(html).toMatch(/<span class="part against" style="--strength:0\.\d\d">rain<sup>−\d+\.\d<\/sup><\/span>/);
  expect(html).not.toContain('<b>day');
  expect(html).toMatch(/aria-label="Map of changes; strongest: top left \+\d/);
  const addresses = Array.from(html.matchAll(/(?:href|src)="([^"]*)"/g), ([, address]) => address as string);
  expect(addresses.length).toBeGreaterThan(0);
  expect(addresses.filter((address) => !address.startsWith('data:'))).toEqual([]);
});

it('explains another class, and a post of a text alone', async () => {
  const explanation = await explainOne(judge, { text: 'lovely day', label: 'bad' });
  expect(explanationText(explanation)).toMatch(/Why "bad"[^]*lovely +−/);
  const page = join(folder, 'text.html');
  await explainOne(judge, { text: 'lovely day', label: 'bad', page });
  expect(await readFile(page, 'utf8')).toContain('explained is <strong>bad</strong>');
});
