import { basename } from 'node:path';
import { readBounded } from '@drf/files';
import { assertImage, decodeImage, DEFAULT_IMAGE_DECODING } from '@drf/preprocessing';
import { DataError, refuser, type RgbImage } from '@drf/tensor';
import type { ImageInput, JudgeInfo, PostContent, PostInput } from './judgment.js';

/** Bytes of an image's file, and UTF-16 units of a text, that are read at most. */
const MAXIMUM_IMAGE_BYTES = 64 * 1024 * 1024;
const MAXIMUM_TEXT_UNITS = 2 ** 20;

/**
 * A post as models read it: its image decoded, stretched to the size that the judge was trained on; white space is no
 * text. A decoded image stays as it is, so what this gives may be given to it again.
 * @throws DataError for a post of nothing, a text or an image of another kind, and for what is too large, or cannot be
 *   read or decoded
 */
export async function toPostContent(
  post: PostInput,
  { imageSize }: Pick<JudgeInfo, 'imageSize'>,
): Promise<PostContent> {
  const refuse = refuser(DataError, 'The post');
  if (typeof post !== 'object' || post === null) {
    throw refuse('an object { text, image }', kindOf(post), 'give { text: "…" }, { image: "cat.jpg" }, or both');
  }
  const text = someText(post.text ?? null);
  const { image = null } = post;
  if (image === null && text === null) throw refuse('text or an image, or both', 'neither', 'give one of them');
  return { text, image: image === null ? null : await toRgbImage(image, imageSize) };
}

function someText(text: unknown): string | null {
  const refuse = refuser(DataError, 'The post, text,');
  if (text === null) return null;
  if (typeof text !== 'string') throw refuse('a string', kindOf(text), 'decode it first, or leave it out');
  if (text.length > MAXIMUM_TEXT_UNITS) {
    throw refuse(`at most ${MAXIMUM_TEXT_UNITS} characters`, String(text.length), 'cut it: models read its beginning');
  }
  return text.trim() === '' ? null : text;
}

async function toRgbImage(image: ImageInput, side: number): Promise<RgbImage> {
  if (isDecoded(image)) {
    assertImage(image, 'The post, image,');
    return image;
  }
  const subject = typeof image === 'string' ? `The post, image ${basename(image)},` : 'The post, image,';
  return decodeImage(subject, await bytesOf(image), { ...DEFAULT_IMAGE_DECODING, width: side, height: side });
}

const isDecoded = (image: ImageInput): image is RgbImage =>
  typeof image === 'object' && 'data' in image && 'width' in image && 'height' in image;

/** @throws DataError for another kind of value, and for more than {@link MAXIMUM_IMAGE_BYTES} */
async function bytesOf(image: Exclude<ImageInput, RgbImage>): Promise<Uint8Array> {
  if (typeof image === 'string') return readPath(image);
  if (image instanceof Uint8Array) return assertSize(image.byteLength) ?? image;
  if (image instanceof Blob) return assertSize(image.size) ?? new Uint8Array(await image.arrayBuffer());
  if (typeof image === 'object' && Symbol.asyncIterator in image) return collect(image);
  throw refuser(DataError, 'The post, image,')(
    'a path, bytes (Uint8Array), a Blob, a stream of bytes, or decoded pixels { width, height, data }',
    kindOf(image),
    'give one of these, or leave it out',
  );
}

async function readPath(path: string): Promise<Uint8Array> {
  if (!/^(https?|data|blob):/i.test(path)) return readBounded(path, MAXIMUM_IMAGE_BYTES);
  throw refuser(DataError, 'The post, image,')(
    'the path of a file',
    'an address',
    'fetch it yourself, and give its bytes or the body of the answer: nothing is fetched here',
  );
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stream) {
    if (!(part instanceof Uint8Array)) {
      throw refuser(DataError, 'The post, image,')(
        'a stream of bytes',
        `one of ${kindOf(part)}`,
        'leave its encoding off',
      );
    }
    bytes += part.byteLength;
    assertSize(bytes);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function assertSize(bytes: number): undefined {
  if (bytes <= MAXIMUM_IMAGE_BYTES) return undefined;
  const received = `${bytes} or more`;
  throw refuser(DataError, 'The post, image,')(`at most ${MAXIMUM_IMAGE_BYTES} bytes`, received, 'shrink the image');
}

/** What kind of value it is, without anything of its content. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`;
  return typeof value === 'object' ? `a value of class ${value.constructor?.name ?? 'Object'}` : `a ${typeof value}`;
}
