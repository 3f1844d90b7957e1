import { createReadStream } from 'node:fs';

/** A line without its end, or `null` where it was longer than allowed. Lines count from 1. */
export interface Line {
  readonly number: number;
  readonly bytes: Buffer | null;
}

const NEWLINE = 0x0a;

/** Collects the pieces of one line up to a limit. */
class LineBuffer {
  private pieces: Buffer[] = [];
  private size = 0;
  private number = 0;

  constructor(private readonly maximumBytes: number) {}

  get isEmpty(): boolean {
    return this.size === 0;
  }

  add(piece: Buffer): void {
    this.size += piece.length;
    if (this.size <= this.maximumBytes) this.pieces.push(piece);
    else this.pieces = []; // too long: only its size is kept
  }

  take(): Line {
    const bytes = this.size > this.maximumBytes ? null : Buffer.concat(this.pieces);
    this.pieces = [];
    this.size = 0;
    this.number++;
    return { number: this.number, bytes };
  }
}

/**
 * Reads a file line by line with bounded memory, as bytes, so that each line's encoding can be checked by itself.
 * Both "\n" and "\r\n" end a line (the "\r" stays, and JSON ignores it).
 */
export async function* readLines(path: string, maximumLineBytes: number): AsyncGenerator<Line> {
  const line = new LineBuffer(maximumLineBytes);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      line.add(chunk.subarray(start, end));
      yield line.take();
      start = end + 1;
    }
    line.add(chunk.subarray(start));
  }
  if (!line.isEmpty) yield line.take();
}
