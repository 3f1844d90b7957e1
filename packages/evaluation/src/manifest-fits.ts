import type { Manifest } from '@drf/disruption';
import { ConfigurationError } from '@drf/tensor';

/**
 * A manifest repeats exact pixels only at its own image size. The words that it names are the same for every text
 * encoder, which reads its own mask in their places.
 * @throws ConfigurationError when the run decodes images at another size
 */
export function assertManifestFits(path: string, { header, entries }: Manifest, imageSize: number): void {
  const corruptsImages = entries.some(({ operation, modality }) => operation === 'corrupt' && modality === 'image');
  const size = header.imageSize;
  if (corruptsImages && (size?.width !== imageSize || size.height !== imageSize)) {
    throw new ConfigurationError({
      subject: `Manifest ${path}`,
      expected: `pixels chosen at ${imageSize} × ${imageSize}, the size at which the run reads images`,
      received: size === null ? "each image's own size" : `${size.width} × ${size.height}`,
      remedy: 'make the manifest at that size',
    });
  }
}
