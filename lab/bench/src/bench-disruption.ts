import { corruptImage, planDisruptions } from '@drf/disruption';
import { createRandom, type RgbImage } from '@drf/tensor';
import { median } from './measure.js';

export interface DisruptionReport {
  /** Milliseconds to corrupt one 224 × 224 image, median. */
  readonly corruptImageMs: number;
  /** Milliseconds to plan the disruption of 1,000 posts. */
  readonly planThousandMs: number;
}

const IMAGES = 200;
const POSTS = 20_000;

/** Times what disruption adds to reading posts. */
export function measureDisruption(): DisruptionReport {
  const image: RgbImage = { width: 224, height: 224, data: new Uint8Array(224 * 224 * 3).fill(200) };
  const random = createRandom('bench');
  const times = Array.from({ length: IMAGES }, () => {
    const start = performance.now();
    corruptImage(image, 0.6, random);
    return performance.now() - start;
  });
  const posts = Array.from({ length: POSTS }, (_, i) => ({ id: String(i), hasImage: true, hasText: true }));
  const start = performance.now();
  planDisruptions(posts, { kind: 'modality-random', ratio: 0.6, setting: 'C+D' }, 0);
  return { corruptImageMs: median(times), planThousandMs: ((performance.now() - start) / POSTS) * 1000 };
}
