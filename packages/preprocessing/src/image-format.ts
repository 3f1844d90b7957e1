/** Formats that posts' images come in. Vector and document formats are refused: they could load other files. */
export const IMAGE_FORMATS = ['JPEG', 'PNG', 'GIF', 'WebP', 'TIFF', 'AVIF/HEIF'] as const;
/** One of {@link IMAGE_FORMATS}. */
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** What a file begins with; `.` stands for any byte. */
const SIGNATURES: readonly (readonly [ImageFormat, RegExp])[] = [
  ['JPEG', /^\xff\xd8\xff/],
  ['PNG', /^\x89PNG\r\n\x1a\n/],
  ['GIF', /^GIF8[79]a/],
  ['WebP', /^RIFF....WEBP/s],
  ['TIFF', /^(II[*+]\0|MM\0[*+])/],
  ['AVIF/HEIF', /^\0\0..ftyp(avif|avis|mif1|msf1|miaf|heic|heix|heim|heis|hevc|hevx)/s], // a box shorter than 64 KiB
];

/** What people take for images or put in their place, by what it begins with; for messages only. */
const OTHER_KINDS: readonly (readonly [string, RegExp])[] = [
  ['a web page', /^(\xef\xbb\xbf)?\s*<(!doctype html|html)/i],
  ['an SVG drawing', /<svg[\s>]/],
  ['a BMP image', /^BM.{4}\0\0\0\0/s],
  ['a Photoshop file', /^8BPS/],
  ['an icon file', /^\0\0\x01\0/],
  ['a JPEG XL image', /^(\xff\x0a|\0\0\0\x0cJXL )/],
  ['a JPEG 2000 image', /^(\xff\x4f\xff\x51|\0\0\0\x0cjP {2})/],
  ['a PDF document', /^%PDF/],
  ['a video or audio file', /^(.{4}ftyp|RIFF|ID3|OggS|\x1a\x45\xdf\xa3)/s],
  ['an archive', /^(PK|\x1f\x8b|7z\xbc\xaf|Rar!)/],
  ['a Git LFS pointer, whose file was not downloaded', /^version https:\/\/git-lfs/],
];

/** Bytes that tell what a file is. */
export const SNIFFED_BYTES = 256;

function head(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, SNIFFED_BYTES)).toString('latin1');
}

/** The format by the file's first bytes (its name does not count), or `null` when it is none of the known ones. */
export function sniffImageFormat(bytes: Uint8Array): ImageFormat | null {
  const start = head(bytes);
  return SIGNATURES.find(([, signature]) => signature.test(start))?.[0] ?? null;
}

/**
 * In words, what bytes are that are none of {@link IMAGE_FORMATS}: "62 bytes of something else (an SVG drawing)".
 * @param size of the whole, where only its start is given
 */
export function describeOtherKind(bytes: Uint8Array, size = bytes.length): string {
  const start = head(bytes);
  const kind = OTHER_KINDS.find(([, signature]) => signature.test(start))?.[0];
  return `${size} bytes of something else${kind === undefined ? '' : ` (${kind})`}`;
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

/**
 * A copy of a JPEG without those faults of its header that readers warn of and that change no pixel: a JFIF revision from
 * the future, bytes between segments, and spectral parameters that sequential images do not use. (ITU T.81, annex B; the
 * decoder names only the first thing that it warns of, so these would hide that data are missing further on.)
 */
export function withoutHarmlessFaults(bytes: Uint8Array): Buffer {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Buffer[] = [file.subarray(0, 2)]; // start of image
  let isSequential = false;
  let at = 2;
  while (at + 4 <= file.length) {
    const start = file.indexOf(0xff, at);
    if (start < 0 || start + 4 > file.length) break;
    const marker = file[start + 1] as number;
    if (marker === 0x00 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd9)) {
      at = start + 1; // fill bytes, and markers that cannot stand here
      continue;
    }
    const end = start + 2 + file.readUInt16BE(start + 2);
    const segment = Buffer.from(file.subarray(start, end));
    if (marker === 0xc0 || marker === 0xc1) isSequential = true;
    if (marker === 0xe0 && segment.toString('latin1', 4, 9) === 'JFIF\0') segment[9] = 1;
    if (marker === 0xda && isSequential && segment.length > 7) segment.set([0, 63, 0], segment.length - 3);
    parts.push(segment);
    at = end;
    if (marker === 0xda) break; // compressed data follow
  }
  return Buffer.concat([...parts, file.subarray(at)]);
}
