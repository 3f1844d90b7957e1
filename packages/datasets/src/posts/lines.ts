import { isAscii } from 'node:buffer';
import { TextDecoder } from 'node:util';
import type { StoredFile } from '@drf/files';
import { RowError } from '../ledger.js';
import { decodeLoosely, decodeStrictly, type TextEncoding } from '../text-decoder.js';

/** How a file of text is stored. */
export interface TextForm {
  readonly encoding: TextEncoding;
  /** What ends a line: "\n" (with a "\r" before it or not), or "\r" alone, as old programs for the Mac write. */
  readonly lineEnd: '\n' | '\r';
}

export const PLAIN_TEXT: TextForm = { encoding: 'utf-8', lineEnd: '\n' };

/** Where a line begins: bytes and lines before it. */
export interface LinePlace {
  readonly byte: number;
  readonly line: number;
}

const FILE_START: LinePlace = { byte: 0, line: 0 };

/** A line without its end. Lines count from 1. */
export interface Line {
  readonly number: number;
  /** Bytes of the file before it. Of UTF-16, bytes of UTF-8. */
  readonly byte: number;
  /** Where bytes do not fit the encoding, U+FFFD stands for them here; '' for a line that is too long. */
  readonly text: string;
  /** What ended it: "\n", "\r\n" or "\r"; '' at the end of the file. */
  readonly end: string;
  /** Why the line cannot be used. */
  readonly error: RowError | null;
}

const NEWLINE = 0x0a;

/** Collects the pieces of one line up to a limit. */
class LineBuffer {
  private pieces: Buffer[] = [];
  private size = 0;

  constructor(private readonly maximumBytes: number) {}

  /** Bytes that were added, also those that are not kept. */
  get length(): number {
    return this.size;
  }

  add(piece: Buffer): void {
    this.size += piece.length;
    if (this.size <= this.maximumBytes) this.pieces.push(piece);
    else this.pieces = []; // too long: only its size is kept
  }

  /** The line's bytes, or `null` where there were too many. */
  take(): Buffer | null {
    const bytes = this.size > this.maximumBytes ? null : Buffer.concat(this.pieces);
    this.pieces = [];
    this.size = 0;
    return bytes;
  }
}

/**
 * Reads a text line by line with bounded memory, each line decoded strictly by itself, so that a wrong byte costs its line
 * only. In none of the encodings is a line end part of another character, UTF-16 apart, which is turned into UTF-8 first.
 * Where the file breaks off (a {@link RowError} of its stream), the line that it broke off in is that error.
 * @param from where to start; of UTF-16 only its start
 */
export async function* readLines(
  file: StoredFile,
  maximumLineBytes: number,
  { encoding, lineEnd }: TextForm = PLAIN_TEXT,
  from: LinePlace = FILE_START,
): AsyncGenerator<Line> {
  const isWide = encoding.startsWith('utf-16');
  const stream = asBuffers(file.stream(from.byte));
  const byteEncoding = isWide ? 'utf-8' : encoding;
  let [number, byte] = [from.line, from.byte];
  for await (const { bytes: raw, length, end } of splitLines(
    isWide ? narrowed(stream, encoding) : stream,
    maximumLineBytes,
    lineEnd,
  )) {
    // prettier-ignore
    number++;
    const start = byte;
    byte += length + end.length;
    if (raw instanceof RowError || raw === null) {
      const error = raw ?? tooLong(`${file.path}, line ${number}`, maximumLineBytes);
      yield { number, byte: start, text: '', end, error };
      continue;
    }
    const bytes = lineEnd === '\r' && raw[0] === NEWLINE ? raw.subarray(1) : raw; // some lines end in "\r\n"
    if (isAscii(bytes)) yield lineOf(number, start, bytes.toString('latin1'), end, null);
    else yield decodedLine(file.path, number, start, bytes, end, byteEncoding);
  }
}

async function* asBuffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, length } of chunks) yield Buffer.from(buffer, byteOffset, length);
}

function decodedLine(
  path: string,
  number: number,
  byte: number,
  bytes: Buffer,
  end: string,
  encoding: TextEncoding,
): Line {
  try {
    return lineOf(number, byte, decodeStrictly(`${path}, line ${number}`, bytes, encoding), end, null);
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    return lineOf(number, byte, decodeLoosely(bytes, encoding), end, error);
  }
}

function lineOf(number: number, byte: number, text: string, end: string, error: RowError | null): Line {
  const isReturned = end === '\n' && text.endsWith('\r');
  return { number, byte, text: isReturned ? text.slice(0, -1) : text, end: isReturned ? '\r\n' : end, error };
}

/** A line's bytes without its end; `null` where there are too many, an error where the file breaks off in it. */
interface RawLine {
  readonly bytes: Buffer | null | RowError;
  readonly length: number;
  readonly end: string;
}

async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maximumLineBytes: number,
  lineEnd: '\n' | '\r',
): AsyncGenerator<RawLine> {
  const line = new LineBuffer(maximumLineBytes);
  const code = lineEnd.charCodeAt(0);
  try {
    for await (const chunk of chunks) {
      let start = 0;
      for (let end = chunk.indexOf(code); end !== -1; end = chunk.indexOf(code, start)) {
        line.add(chunk.subarray(start, end));
        yield { length: line.length, bytes: line.take(), end: lineEnd };
        start = end + 1;
      }
      line.add(chunk.subarray(start));
    }
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    return yield { length: line.length, bytes: error, end: '' };
  }
  if (line.length > 0) yield { length: line.length, bytes: line.take(), end: '' };
}

/** UTF-16 as UTF-8; half a character, which tweets that were cut have, as U+FFFD. */
async function* narrowed(chunks: AsyncIterable<Buffer>, encoding: TextEncoding): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

function tooLong(subject: string, maximumBytes: number): RowError {
  return new RowError('bad row', {
    subject,
    expected: `a line of at most ${maximumBytes} bytes`,
    received: 'a longer one',
    remedy: 'shorten or remove the line',
  });
}
