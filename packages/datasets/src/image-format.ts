/** Formats that posts' images come in. Vector and document formats are refused: they could load other files. */
export const IMAGE_FORMATS = ['JPEG', 'PNG', 'GIF', 'WebP', 'TIFF', 'AVIF/HEIF'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** Signature bytes and where they stand in the file. */
const SIGNATURES: readonly (readonly [ImageFormat, number, string])[] = [
  ['JPEG', 0, '\xff\xd8\xff'],
  ['PNG', 0, '\x89PNG\r\n\x1a\n'],
  ['GIF', 0, 'GIF8'],
  ['WebP', 8, 'WEBP'],
  ['TIFF', 0, 'II*\0'],
  ['TIFF', 0, 'MM\0*'],
  ['AVIF/HEIF', 4, 'ftyp'],
];

/** The format by the file's first bytes (its name does not count), or `null` when it is none of the known ones. */
export function sniffImageFormat(bytes: Uint8Array): ImageFormat | null {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 16)).toString('latin1');
  return SIGNATURES.find(([, offset, signature]) => head.startsWith(signature, offset))?.[0] ?? null;
}

/**
 * Whether a file ends as its format demands, which a cut-off one does not. Cheap (nothing is decoded) and only a
 * suspicion: `false` calls for a full decoding. Formats without an end mark count as whole.
 */
export function looksWhole(bytes: Uint8Array): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (sniffImageFormat(bytes)) {
    case 'JPEG': // End Of Image after the last Start Of Scan; entropy-coded data holds neither mark
      return file.lastIndexOf('ffd9', undefined, 'hex') > file.lastIndexOf('ffda', undefined, 'hex');
    case 'PNG':
      return file.includes('IEND', Math.max(0, file.length - 1024), 'latin1');
    case 'GIF':
      return file.at(-1) === 0x3b;
    case 'WebP': // RIFF: the length of all that follows the first 8 bytes
      return file.length >= 8 + file.readUInt32LE(4);
    default:
      return true;
  }
}
