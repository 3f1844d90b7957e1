import sharp from 'sharp';
import type { MemoryPost } from '@drf/datasets';

const WORDS = { good: ['lovely day', 'what a joy', 'so happy'], bad: ['awful day', 'what a pity', 'so sad'] } as const;

/** A PNG of one color with a dark column, by the post's number. */
export function picture([red, green, blue]: readonly [number, number, number], number: number): Promise<Uint8Array> {
  const pixel = (i: number): number[] => (i % 32 === number % 32 ? [0, 0, 0] : [red, green, blue]);
  const data = Uint8Array.from(Array.from({ length: 32 * 32 }, (_, i) => pixel(i)).flat());
  return sharp(data, { raw: { width: 32, height: 32, channels: 3 } })
    .png()
    .toBuffer();
}

/** Posts of two classes that show in both modalities; every seventh has no image, every eleventh no text. */
export function labeledPosts(count: number): Promise<MemoryPost[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i): Promise<MemoryPost> => {
      const label = i % 2 === 0 ? 'good' : 'bad';
      const image = i % 7 === 6 ? null : await picture(label === 'good' ? [250, 200, 50] : [30, 50, 100], i);
      const text = i % 11 === 10 ? null : `${WORDS[label][i % 3]}, number ${i}`;
      return { text, image, label };
    }),
  );
}

/** A module with encoders that cost nothing: an image is its mean color, a text its length and letters. */
export const TINY_ENCODERS = `
const colors = ({ data }) => [0, 1, 2].map((channel) => {
  let sum = 0;
  for (let i = channel; i < data.length; i += 3) sum += data[i];
  return (6 * sum) / data.length / 255 - 1;
});
const letters = (text) => ['a', 'e', 'o'].map((letter) => text.split(letter).length / 4 - 1);
export default {
  name: 'tiny',
  create: (_, { id, modality }) => ({
    id, modality, outputDim: 3, trainable: false, maskToken: '[MASK]',
    preprocess: async () => ({}),
    encode: async (contents) => {
      const data = Float32Array.from(contents.flatMap(modality === 'image' ? colors : letters));
      return { shape: [contents.length, 3], dtype: 'float32', data };
    },
    dispose: async () => undefined,
  }),
};
`;
