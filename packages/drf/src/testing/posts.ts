import sharp from 'sharp';
import type { MemoryPost } from '@drf/datasets';

const WORDS = { good: ['lovely day', 'what a joy', 'so happy'], bad: ['awful day', 'what a pity', 'so sad'] } as const;

/** An image of one color with a stripe, by the post's number. */
export function picture(color: string, number: number): Promise<Uint8Array> {
  const stripe = `<svg width="32" height="32"><rect x="${number % 32}" width="3" height="32" fill="black"/></svg>`;
  return sharp({ create: { width: 32, height: 32, channels: 3, background: color } })
    .composite([{ input: Buffer.from(stripe) }])
    .png()
    .toBuffer();
}

/** Posts of two classes that show in both modalities; every seventh has no image, every eleventh no text. */
export function labeledPosts(count: number): Promise<MemoryPost[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i): Promise<MemoryPost> => {
      const label = i % 2 === 0 ? 'good' : 'bad';
      const image = i % 7 === 6 ? null : await picture(label === 'good' ? '#fc3' : '#236', i);
      const text = i % 11 === 10 ? null : `${WORDS[label][i % 3]}, number ${i}`;
      return { text, image, label };
    }),
  );
}

/** Options that train in a second. */
export const SMALL = { training: { epochs: 2, batchSize: 8 }, model: { dim: 16, queueCapacity: 16 } } as const;
