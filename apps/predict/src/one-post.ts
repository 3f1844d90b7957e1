import { basename } from 'node:path';
import { decodeImage } from '@drf/datasets';
import { readBounded } from '@drf/files';
import type { JudgeOfPosts, Judgment, PostContent } from '@drf/predict';

const MAXIMUM_IMAGE_BYTES = 64 * 1024 * 1024;
const MAXIMUM_PIXELS = 100_000_000;

/**
 * Judges one post that was named on the command line.
 * @param image path of an image file
 * @throws DataError when the image cannot be read or decoded, or both are missing
 */
export async function predictOne(
  judge: Pick<JudgeOfPosts, 'imageSize' | 'judge'>,
  { text, image }: { readonly text?: string; readonly image?: string },
): Promise<Judgment> {
  const { imageSize } = judge;
  const decoding = { width: imageSize, height: imageSize, fit: 'stretch', maximumPixels: MAXIMUM_PIXELS } as const;
  const post: PostContent = {
    text: text ?? null,
    image:
      image === undefined
        ? null
        : await decodeImage(basename(image), await readBounded(image, MAXIMUM_IMAGE_BYTES), decoding),
  };
  return judge.judge(post);
}
