import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as tensor from '@drf/tensor';
import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import { blackenPixels, maskWords } from './corrupt.js';
import * as own from './index.js';
import { drawSplitMixSeed } from './split-mix.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const snippet = /```python\n(.*?)```/s.exec(readme)?.[1] as string;
const hasPython = spawnSync('python3', ['--version']).status === 0;

const DRIVER = `
import json
import sys

cases = json.load(sys.stdin)
print(json.dumps([[black_pixels(c["seed"], c["fraction"], c["width"], c["height"]),
                   mask_words(c["seed"], c["fraction"], c["text"])] for c in cases]))
`;

const TEXTS = [
  'so  happy\ttoday 😀 with you',
  '',
  ' \n ',
  'word',
  '\ud83d lone \ude00',
  'مرحبا بالعالم שלום',
  'no\u200bbreak \ufeff next\u0085line a\u001cb \u3000 end ',
];

describe('the README', () => {
  it('shows what its example prints', async () => {
    const modules = { '@drf/tensor': tensor, '@drf/disruption': own };
    const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), modules);
    expect(shown).not.toBe('');
    expect(printed).toBe(shown);
  });

  it('states the test vectors that the code gives', () => {
    const image = { width: 8, height: 2, data: new Uint8Array(48).fill(1) };
    const black = blackenPixels(image, 0.5, '0123456789abcdef').data.filter((_, i) => i % 3 === 0);
    const digits = [...black].map((byte) => 1 - byte).join('');
    expect(readme).toContain(`\`${digits.slice(0, 8)} ${digits.slice(8)}\``);
    const text = maskWords('so  happy\ttoday 😀 with you', 0.5, '0123456789abcdef');
    expect(readme).toContain(`\`${text.replace('\t', '\\t')}\``);
  });

  it.skipIf(!hasPython)('chooses the same pixels and words in Python (skipped where there is no python3)', () => {
    const random = createRandom('python');
    const cases = TEXTS.flatMap((text) =>
      [0.4, 0.5, 0.7999999, 1].map((fraction) => ({
        seed: drawSplitMixSeed(random),
        fraction: fraction === 1 ? random.uniform(0.4, 0.8) : fraction,
        width: 5 + random.integer(9),
        height: 3 + random.integer(9),
        text,
      })),
    );
    const python = spawnSync('python3', ['-c', snippet + DRIVER], { input: JSON.stringify(cases), encoding: 'utf8' });
    expect(python.stderr).toBe('');
    const ours = cases.map(({ seed, fraction, width, height, text }) => {
      const image = { width, height, data: new Uint8Array(width * height * 3).fill(1) };
      const black = blackenPixels(image, fraction, seed).data.filter((_, i) => i % 3 === 0);
      return [[...black].map((byte) => byte === 0), maskWords(text, fraction, seed)];
    });
    expect(JSON.parse(python.stdout)).toEqual(ours);
  });
});
