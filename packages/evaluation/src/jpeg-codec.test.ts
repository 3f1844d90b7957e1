import sharp from 'sharp';
import { applyDisruption, corruptionRule, SEVERITIES, type DisruptionEntry } from '@drf/disruption';
import { createRandom, type RgbImage } from '@drf/tensor';
import { expect, it } from 'vitest';

/** Shapes with grain. */
function picture(width: number, height: number): RgbImage {
  const random = createRandom(`${width} × ${height}`);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 118 + 100 * Math.sin(x / 9 + (i % 3)) * Math.cos(y / 13) + 20 * random.uniform();
  });
  return { width, height, data };
}

it.each([
  [224, 224],
  [33, 47],
  [17, 9],
  [5, 3],
  [4, 8],
  [1, 1],
  [31, 1],
])('compresses %i × %i as the codec of sharp does, byte for byte', async (width, height) => {
  const image = picture(width, height);
  const { levels } = corruptionRule('jpeg');
  for (const severity of SEVERITIES) {
    const file = await sharp(image.data, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: levels[severity - 1] as number, chromaSubsampling: '4:2:0' })
      .toBuffer();
    const expected = await sharp(file).raw().toBuffer();
    const entry: DisruptionEntry = {
      id: '1',
      modality: 'image',
      operation: 'corrupt',
      fraction: null,
      seed: '0123456789abcdef',
      corruption: 'jpeg',
      severity,
    };
    const { image: own } = applyDisruption({ id: '1', image, text: 'a word', label: 0 }, entry);
    expect(Buffer.from(own?.data ?? []).equals(expected)).toBe(true);
  }
});
