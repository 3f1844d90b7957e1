// What a table to judge may hold: each row that cannot be judged goes to the side file with its own message, and the job
// goes on.
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PostContent } from '@drf/judge';
import { predictPosts } from './predict-posts.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-bad-input-'));
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const create = { width: 64, height: 64, channels: 3, background: '#000', noise } as const;
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://localhost/x.png"/></svg>';
  const files = { 'fine.jpg': jpeg, 'cut.jpg': jpeg.subarray(0, jpeg.length / 2), 'huge.png': claimingPng(50_000, 50_000), 'drawing.svg': svg, 'drawing.jpg': svg, 'empty.jpg': '' }; // prettier-ignore
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  await symlink('/etc/hostname', join(folder, 'link.jpg'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A PNG of nothing but a header that claims a size. */
function claimingPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', Buffer.alloc(16)), chunk('IEND', Buffer.alloc(0))]); // prettier-ignore
}

it('judges what it can, and says of each other row what is wrong with it', async () => {
  const rows: readonly [row: object, message: RegExp | null][] = [
    [{ text: 'fine', image: 'fine.jpg' }, null],
    [{ image: 'cut.jpg' }, /line 2, image cut.jpg expected a whole image that decodes, received .*; repair, replace or remove the file/],
    [{ image: 'huge.png' }, /line 3, image huge.png expected at most 100000000 pixels, received .*; shrink the image/],
    [{ image: 'drawing.svg' }, /line 4, image drawing.svg expected an image \(JPEG, .*\), received \d+ bytes of something else/],
    [{ image: 'drawing.jpg' }, /line 5, image drawing.jpg expected an image \(JPEG/],
    [{ image: 'empty.jpg' }, /line 6, column image expected an image file empty.jpg inside .*, received 0 bytes/],
    [{ image: '../../etc/passwd', text: 'kept out' }, /line 7, column image expected a path inside .*, received one that leads outside/],
    [{ image: '/etc/hostname' }, /line 8, column image expected a path inside .*, received one that leads outside/],
    [{ image: 'link.jpg' }, /line 9, column image expected a path inside .*, received one that leads outside/],
    [{ image: 'C:\\Users\\me\\a.jpg' }, /line 10, column image expected a path inside .*, on a drive of Windows; write paths relative/],
    [{ image: 'fine.jpg\u0000.png' }, /line 11, column image expected a path inside/],
    [{ image: 'none.jpg' }, /line 12, column image expected an image file none.jpg inside .*, received nothing there/],
    [{ text: 'x'.repeat(2_000_000) }, /line 13 expected a text of at most 1048576 bytes, received 2000000 bytes; shorten it/],
    [{ text: 'x'.repeat(10_000_000) }, /line 14 expected a text of at most 1048576 bytes, received 10000000 bytes; shorten it/],
    [{ text: 'a\u0000b' }, null],
    [{ text: 'half \ud83d' }, null],
    [{ text: null, image: null }, /line 17 expected text or an image, or both, received neither; fill in one of them or remove the row/],
    [{ text: ' \n', image: '' }, /line 18 expected text or an image, or both, received neither/],
    [{ text: 7 }, /line 19, column text expected text, received 7; correct the row/],
    [{ image: ['fine.jpg', 'fine.jpg'] }, /line 20, column image expected one image a post, received a list of 2; make each a row/],
    [{ text: 'last' }, null],
  ]; // prettier-ignore
  const input = join(folder, 'posts.jsonl');
  await writeFile(input, rows.map(([row]) => JSON.stringify(row)).join('\n'));
  const seen: PostContent[] = [];
  const judge = {
    info: { classes: ['a', 'b'], imageSize: 4, engine: 'none', sources: [] },
    judge: (post: PostContent) => {
      seen.push(post);
      const none = { image: null, text: null };
      return Promise.resolve({ label: 'a', probabilities: { a: 1, b: 0 }, quality: none, logDensity: none, intact: none, pairWeights: null, recovered: null, unfamiliar: null }); // prettier-ignore
    },
  };
  const out = join(folder, 'judged.csv');
  const { counts, rejected } = await predictPosts({ judge, input, out, resume: false, overwrite: false });
  expect(counts).toMatchObject({ judged: 4, rejected: 17 });
  expect(seen.map(({ text, image }) => [text, image === null])).toEqual([['fine', false], ['a\u0000b', true], ['half \ufffd', true], ['last', true]]); // prettier-ignore
  const lines = (await readFile(rejected as string, 'utf8')).trim().split('\n');
  const details = new Map(lines.map((line) => JSON.parse(line) as { row: number; detail: string }).map(({ row, detail }) => [row, detail])); // prettier-ignore
  rows.forEach(([, message], i) => {
    if (message === null) expect(details.has(i + 1)).toBe(false);
    else expect(details.get(i + 1)).toMatch(message);
  });
});
