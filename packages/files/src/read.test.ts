import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '@drf/tensor';
import { contentHash, readBounded, readJson } from './index.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-read-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

describe('readBounded', () => {
  it('reads a file of exactly the limit, and an empty one', async () => {
    expect([...(await readBounded(await file('four', Uint8Array.of(1, 2, 3, 255)), 4))]).toEqual([1, 2, 3, 255]);
    expect((await readBounded(await file('empty', ''), 0)).length).toBe(0);
  });

  it('refuses one byte more, before reading', async () => {
    const path = await file('five', 'five!');
    const error = await readBounded(path, 4).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `Reading ${path} expected at most 4 bytes, received 5 bytes; shrink the file or raise the limit`,
    );
  });

  it('refuses a huge sparse file at once', async () => {
    const path = await file('huge', '');
    await truncate(path, 2 ** 40);
    await expect(readBounded(path, 1000)).rejects.toThrow(`received ${2 ** 40} bytes`);
  });

  it('names a missing file and a folder', async () => {
    const missing = join(folder, 'missing');
    await expect(readBounded(missing, 1)).rejects.toThrow(
      `Reading ${missing} expected a readable file, received ENOENT; check the path`,
    );
    await expect(readBounded(folder, 1)).rejects.toThrow(
      `Reading ${folder} expected a file, received a folder or device`,
    );
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe (no pipes of this kind on Windows)', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(readBounded(pipe, 10)).rejects.toThrow(`Reading ${pipe} expected a file, received a folder or device`);
  });

  it.skipIf(process.platform === 'win32')('refuses endless devices (none on Windows)', async () => {
    await expect(readBounded('/dev/zero', 10)).rejects.toThrow('received a folder or device');
  });
});

describe('readJson', () => {
  it('parses', async () => {
    expect(await readJson(await file('good.json', '{"a": [1, null]}'))).toEqual({ a: [1, null] });
  });

  it.each(['', '{"a": 1', '{"a": NaN}', 'PK\u0003\u0004'])('names the file that holds %j', async (content) => {
    const path = await file('bad.json', content);
    const error = await readJson(path).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(/bad\.json expected valid JSON, received .+; repair or remake the file$/);
    expect((error as Error).cause).toBeInstanceOf(SyntaxError);
  });

  it('keeps to its limit', async () => {
    await expect(readJson(await file('long.json', '[1, 2, 3]'), 4)).rejects.toThrow('expected at most 4 bytes');
  });
});

describe('contentHash', () => {
  it('is SHA-256 over each part with its length before it', () => {
    // printf '3:abc' | sha256sum
    expect(contentHash('abc')).toBe('aab5f9ae99b2e38fb462025c8f72f570c9c811705d2a4277dc855d7fa293fe97');
  });

  it('takes text and its UTF-8 bytes alike', () => {
    expect(contentHash('grün')).toBe(contentHash(new TextEncoder().encode('grün')));
  });

  it('tells where one part ends and the next begins', () => {
    const parts = fc.array(fc.string({ unit: fc.constantFrom('0', '1', '2', ':', 'a'), maxLength: 4 }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(parts, parts, (some, others) => {
        const same = JSON.stringify(some) === JSON.stringify(others);
        expect(contentHash(...some) === contentHash(...others)).toBe(same);
      }),
      { seed: 5, numRuns: 500 },
    );
    const all = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', ''], ['', 'abc'], ['2:ab'], ['a', 'b', 'c'], [''], []];
    expect(new Set(all.map((some) => contentHash(...some))).size).toBe(all.length);
  });

  it('changes with a single bit', () => {
    const bytes = new Uint8Array(1000);
    const before = contentHash(bytes);
    bytes[999] = 1;
    expect(contentHash(bytes)).not.toBe(before);
  });
});
