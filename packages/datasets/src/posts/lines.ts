import { isAscii } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { RowError } from '../ledger.js';
import { decodeLoosely, decodeStrictly, type TextEncoding } from '../text-decoder.js';

/** How a file of text is stored. */
export interface TextForm {
  readonly encoding: TextEncoding;
  /** What ends a line: "\n" (with a "\r" before it or not), or "\r" alone, as old programs for the Mac write. */
  readonly lineEnd: '\n' | '\r';
  /** What is read, once, in place of a file: standard input. */
  readonly chunks?: AsyncIterable<Buffer>;
}

export const PLAIN_TEXT: TextForm = { encoding: 'utf-8', lineEnd: '\n' };

/** A line without its end. Lines count from 1. */
export interface Line {
  readonly number: number;
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

  get isEmpty(): boolean {
    return this.size === 0;
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
 * @param subjectOf names a line for its error
 */
export async function* readLines(
  path: string,
  maximumLineBytes: number,
  { encoding, lineEnd, chunks }: TextForm = PLAIN_TEXT,
  subjectOf: (line: number) => string = (line) => `${path}, line ${line}`,
): AsyncGenerator<Line> {
  const isWide = encoding.startsWith('utf-16');
  const stream = chunks ?? (createReadStream(path) as AsyncIterable<Buffer>);
  const byteEncoding = isWide ? 'utf-8' : encoding;
  let number = 0;
  for await (const [raw, end] of splitLines(isWide ? narrowed(stream, encoding) : stream, maximumLineBytes, lineEnd)) {
    number++;
    if (raw === null) {
      yield { number, text: '', end, error: tooLong(subjectOf(number), maximumLineBytes) };
      continue;
    }
    const bytes = lineEnd === '\r' && raw[0] === NEWLINE ? raw.subarray(1) : raw; // some lines end in "\r\n"
    if (isAscii(bytes)) yield lineOf(number, bytes.toString('latin1'), end, null);
    else yield decodedLine(number, bytes, end, byteEncoding, subjectOf);
  }
}

function decodedLine(
  number: number,
  bytes: Buffer,
  end: string,
  encoding: TextEncoding,
  subjectOf: (line: number) => string,
): Line {
  try {
    return lineOf(number, decodeStrictly(subjectOf(number), bytes, encoding), end, null);
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    return lineOf(number, decodeLoosely(bytes, encoding), end, error);
  }
}

function lineOf(number: number, text: string, end: string, error: RowError | null): Line {
  const isReturned = end === '\n' && text.endsWith('\r');
  return { number, text: isReturned ? text.slice(0, -1) : text, end: isReturned ? '\r\n' : end, error };
}

async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maximumLineBytes: number,
  lineEnd: '\n' | '\r',
): AsyncGenerator<[Buffer | null, string]> {
  const line = new LineBuffer(maximumLineBytes);
  const code = lineEnd.charCodeAt(0);
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(code); end !== -1; end = chunk.indexOf(code, start)) {
      line.add(chunk.subarray(start, end));
      yield [line.take(), lineEnd];
      start = end + 1;
    }
    line.add(chunk.subarray(start));
  }
  if (!line.isEmpty) yield [line.take(), ''];
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
