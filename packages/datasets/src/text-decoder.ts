import { isAscii, isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { UnavailableError } from '@drf/tensor';
import { RowError } from './ledger.js';

/** Encodings that texts and tables are read in. */
export const TEXT_ENCODINGS = [
  'utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'gb18030', 'big5', 'shift_jis', 'euc-jp', 'euc-kr', 'windows-1250',
  'windows-1251', 'windows-1253', 'windows-1254', 'windows-1255', 'windows-1256', 'koi8-r',
] as const; // prettier-ignore
/** One of {@link TEXT_ENCODINGS}. */
export type TextEncoding = (typeof TEXT_ENCODINGS)[number];

/** An encoding that a person names, or `auto`: found out from the bytes. */
export type EncodingChoice = TextEncoding | 'auto';

/** Changes whenever the same bytes would decode differently. Part of content hashes. */
export const TEXT_DECODER_VERSION = 'text-1';

/**
 * What windows-1252 has at 0x80 to 0x9f, where Latin-1 has control characters; a blank where it has nothing. Some
 * releases of Node.js 20 to 23 decode these bytes as Latin-1, so they are looked up here (WHATWG Encoding, windows-1252).
 */
const WINDOWS_1252 = '€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ';

/** How a person names an encoding; part of errors. */
const NAME_ENCODING = 'save it as UTF-8, or name its encoding (--dataset.encoding windows-1252, for example)';

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
  return decodeStrictly(subject, bytes, encoding).trim();
}

/** {@link decodeText} with the white space at both ends; a byte order mark goes. */
export function decodeStrictly(subject: string, bytes: Uint8Array, encoding: TextEncoding): string {
  const decoded = tryDecode(bytes, encoding);
  if (decoded !== null) return decoded;
  const offset = firstBadByte(bytes, encoding);
  const byte = `0x${(bytes[offset] as number).toString(16).padStart(2, '0')}`;
  const isCut = isUnfinished(bytes.subarray(offset), encoding);
  throw new RowError('undecodable text', {
    subject,
    expected: `${encoding.toUpperCase()} text`,
    received: `${byte} at byte ${offset}${isCut ? ', an unfinished sequence at the end' : ''}`,
    remedy: NAME_ENCODING,
  });
}

/** The text, or `null` where the bytes are none in this encoding. */
function tryDecode(bytes: Uint8Array, encoding: TextEncoding): string | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (encoding === 'utf-8') return isUtf8(buffer) ? withoutMark(buffer.toString('utf8')) : null;
  if (!encoding.startsWith('utf-16') && isAscii(buffer)) return buffer.toString('latin1');
  if (encoding === 'windows-1252') return decodeWindows1252(buffer);
  try {
    return createDecoder(encoding).decode(buffer);
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    return null;
  }
}

/** As much of the bytes as the encoding allows, with U+FFFD for the rest: to find the structure around a wrong byte. */
export function decodeLoosely(bytes: Uint8Array, encoding: TextEncoding): string {
  return new TextDecoder(encoding).decode(bytes);
}

function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function decodeWindows1252(bytes: Buffer): string | null {
  let isWhole = true;
  const text = bytes.toString('latin1').replace(/[\x80-\x9f]/g, (character) => {
    const found = WINDOWS_1252[character.charCodeAt(0) - 0x80] as string;
    if (found === ' ') isWhole = false;
    return found;
  });
  return isWhole ? text : null;
}

/** Index of the first byte of the sequence at which decoding stops. */
function firstBadByte(bytes: Uint8Array, encoding: TextEncoding): number {
  if (encoding === 'windows-1252') {
    return bytes.findIndex((byte) => byte >= 0x80 && byte <= 0x9f && WINDOWS_1252[byte - 0x80] === ' ');
  }
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  let whole = 0; // bytes that gave characters
  for (let index = 0; index < bytes.length; index++) {
    try {
      if (decoder.decode(bytes.subarray(index, index + 1), { stream: true }) !== '') whole = index + 1;
    } catch {
      return whole;
    }
  }
  return whole;
}

/** Whether bytes are the start of a sequence whose end is missing. */
function isUnfinished(bytes: Uint8Array, encoding: TextEncoding): boolean {
  if (encoding.startsWith('windows-')) return false;
  try {
    createDecoder(encoding).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
