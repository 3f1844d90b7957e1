import { decodeImage } from '@drf/datasets';
import { readBounded } from '@drf/files';
import type { JudgeInfo, PostContent } from '@drf/predict';
import { DataError, refuser, type RgbImage } from '@drf/tensor';

/** A post to judge. What is left out, null, or a text of white space is missing. */
export interface Post {
  readonly text?: string | null;
  /** An image file's path, its bytes (JPEG, PNG, WebP, …), a blob or stream of them, or decoded pixels. */
  readonly image?: string | Uint8Array | Blob | AsyncIterable<Uint8Array> | RgbImage | null;
}

const LARGEST_IMAGE = 64 * 1024 * 1024;

/** @throws DataError for an image that cannot be read or decoded, and for what is no post */
export async function contentOf({ text = null, image = null }: Post, { imageSize }: JudgeInfo): Promise<PostContent> {
  if (image === null) return { text, image };
  if (typeof image === 'object' && 'width' in image) return { text, image };
  const [name, bytes] = await bytesOf(image);
  return {
    text,
    image: await decodeImage(name, bytes, {
      width: imageSize,
      height: imageSize,
      fit: 'stretch',
      maximumPixels: 100_000_000,
    }),
  };
}

async function bytesOf(image: string | Uint8Array | Blob | AsyncIterable<Uint8Array>): Promise<[string, Uint8Array]> {
  if (typeof image === 'string') return [image, await readBounded(image, LARGEST_IMAGE)];
  if (image instanceof Uint8Array) return ['image', image];
  if (image instanceof Blob) return ['image', new Uint8Array(await image.arrayBuffer())];
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of image) {
    size += part.length;
    if (size > LARGEST_IMAGE) throw refuser(DataError, 'image')(`at most ${LARGEST_IMAGE} bytes`, 'more');
    parts.push(part);
  }
  return ['image', Buffer.concat(parts)];
}
