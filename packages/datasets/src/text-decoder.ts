import { TextDecoder } from 'node:util';
import { UnavailableError } from '@drf/tensor';
import { RowError } from './row-error.js';

/**
 * Encodings of text files. MVSA is GB18030 throughout: 1,131 of MVSA-Single's files are not UTF-8, strict GBK fails on
 * two more, and files that happen to be both (post 4499) are wrong as UTF-8.
 */
export type TextEncoding = 'utf-8' | 'gb18030';

/** Changes whenever the same bytes would decode differently. Part of content hashes. */
export const TEXT_DECODER_VERSION = 'text-1';

function createDecoder(encoding: TextEncoding): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new UnavailableError(
      {
        subject: 'Text decoding',
        expected: `a Node.js with the encoding ${encoding}`,
        received: `Node.js ${process.version} without it`,
        remedy: 'use a Node.js build with full ICU data',
      },
      { cause },
    );
  }
}

/**
 * Decodes strictly: no replacement characters. White space at both ends goes (MVSA's files end in " \n").
 * @param subject who is decoded, for the error ("mvsa-single post 12, text data/12.txt")
 * @throws RowError naming the first byte that does not fit
 */
export function decodeText(subject: string, bytes: Uint8Array, encoding: TextEncoding): string {
  const decoder = createDecoder(encoding);
  try {
    return decoder.decode(bytes).trim();
  } catch (cause) {
    const offset = firstBadByte(bytes, encoding);
    const byte = bytes[offset];
    const what = byte === undefined ? 'an unfinished sequence' : `0x${byte.toString(16).padStart(2, '0')}`;
    throw new RowError(
      'undecodable text',
      {
        subject,
        expected: `${encoding.toUpperCase()} text`,
        received: `${what} at byte ${offset}`,
        remedy: 'convert the file or name its encoding',
      },
      { cause },
    );
  }
}

/** Index of the byte at which decoding stops; the length when only the end is missing. */
function firstBadByte(bytes: Uint8Array, encoding: TextEncoding): number {
  const decoder = createDecoder(encoding);
  for (let index = 0; index < bytes.length; index++) {
    try {
      decoder.decode(bytes.subarray(index, index + 1), { stream: true });
    } catch {
      return index;
    }
  }
  return bytes.length;
}
