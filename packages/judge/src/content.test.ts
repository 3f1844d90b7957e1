import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noiseJpeg } from '@drf/preprocessing/testing';
import { decodeImage, DEFAULT_IMAGE_DECODING } from '@drf/preprocessing';
import { DataError, type RgbImage } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toPostContent } from './content.js';
import type { ImageInput, PostInput } from './judgment.js';

const judge = { imageSize: 8 };

describe('toPostContent', () => {
  let folder: string;
  let path: string;
  let bytes: Buffer;
  let decoded: RgbImage;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drf-content-'));
    path = join(folder, 'cat.jpg');
    bytes = await noiseJpeg(32, 16);
    await writeFile(path, bytes);
    decoded = await decodeImage('cat.jpg', bytes, { ...DEFAULT_IMAGE_DECODING, width: 8, height: 8 });
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each<[string, () => ImageInput]>([
    ['a path', () => path],
    ['a Buffer', () => bytes],
    ['a Uint8Array', () => Uint8Array.from(bytes)],
    ['a Blob', () => new Blob([Uint8Array.from(bytes)])],
    ['a stream of Node', () => createReadStream(path, { highWaterMark: 100 })],
    ['a stream of the web', () => new Blob([Uint8Array.from(bytes)]).stream() as unknown as ImageInput],
    ['decoded pixels', () => decoded],
  ])('takes %s', async (_, image) => {
    const content = await toPostContent({ image: image() }, judge);
    expect(content.text).toBeNull();
    expect(content.image).toEqual(decoded);
  });

  it('takes what is left out, null or white space as missing, and its own answer as it is', async () => {
    expect(await toPostContent({ text: 'hi' }, judge)).toEqual({ text: 'hi', image: null });
    expect(await toPostContent({ text: ' \n', image: bytes }, judge)).toEqual({ text: null, image: decoded });
    const content = await toPostContent({ text: 'hi', image: null }, judge);
    expect(await toPostContent(content, judge)).toEqual(content);
  });

  it.each<[string, unknown, RegExp]>([
    ['nothing', {}, /^The post expected text or an image, or both, received neither; give one of them$/],
    ['no object', 'hi', /^The post expected an object \{ text, image \}, received a string; /],
    ['a text of bytes', { text: Buffer.from('secret') }, /^The post, text, expected a string, received Buffer of 6 bytes; /],
    ['a longer text than any model reads', { text: 'a'.repeat(2 ** 20 + 1) }, /expected at most 1048576 characters, received 1048577; /],
    ['an address', { image: 'https://example.org/cat.jpg' }, /expected the path of a file, received an address; fetch it yourself/],
    ['no such file', { image: '/nowhere/cat.jpg' }, /^Reading \/nowhere\/cat.jpg expected a readable file, received ENOENT/],
    ['a number', { image: 7 }, /expected a path, bytes .*, received a number; /],
    ['bytes that are no image', { image: Buffer.from('secret') }, /^The post, image, expected an image .*, received 6 bytes of something else; /],
    ['pixels that do not fit', { image: { width: 2, height: 2, data: Buffer.from('secret') } }, /received 2 × 2 with 6 bytes; /],
    ['pixels of another kind', { image: { width: 2, height: 2, data: 'secret' } }, /received one whose data is string; /],
    ['a stream of texts', { image: (async function* () { yield 'secret'; })() }, /expected a stream of bytes, received one of a string; /],
    ['too many bytes', { image: (async function* () { for (;;) yield new Uint8Array(2 ** 22); })() }, /expected at most 67108864 bytes, received 71303168 or more; /],
  ])('refuses %s, and prints nothing of its content', async (_, post, message) => {
    const error: unknown = await toPostContent(post as PostInput, judge).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toMatch(/secret|115, 101/);
  }); // prettier-ignore
});
