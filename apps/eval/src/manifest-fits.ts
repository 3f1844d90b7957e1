import { DEFAULT_MASK, type Manifest } from '@drf/disruption';
import { ConfigurationError } from '@drf/tensor';

/**
 * A manifest repeats exact pixels and words only at its own image size and with its own mask.
 * @throws ConfigurationError when the run decodes images at another size, or the manifest masks words otherwise
 */
export function assertManifestFits(path: string, { header, entries }: Manifest, imageSize: number): void {
  const corrupts = (modality: string): boolean =>
    entries.some((entry) => entry.operation === 'corrupt' && entry.modality === modality);
  const size = header.imageSize;
  if (corrupts('image') && (size?.width !== imageSize || size.height !== imageSize)) {
    throw new ConfigurationError({
      subject: `Manifest ${path}`,
      expected: `pixels chosen at ${imageSize} × ${imageSize}, the size at which the run reads images`,
      received: size === null ? "each image's own size" : `${size.width} × ${size.height}`,
      remedy: 'make the manifest at that size',
    });
  }
  if (corrupts('text') && header.mask !== undefined && header.mask !== DEFAULT_MASK) {
    throw new ConfigurationError({
      subject: `Manifest ${path}`,
      expected: `the mask ${DEFAULT_MASK}`,
      received: header.mask,
      remedy: 'make the manifest with that mask',
    });
  }
}
