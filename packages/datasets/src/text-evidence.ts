import { isAscii } from 'node:buffer';
import type { TextEncoding } from './text-decoder.js';

/** Bytes that windows-1252 has no character for. */
const NOT_WINDOWS_1252 = new Set([0x81, 0x8d, 0x8f, 0x90, 0x9d]);

const [NEWLINE, RETURN] = [0x0a, 0x0d];

/**
 * What the bytes of a text say about its encoding and its line ends. Fed piece by piece; nothing is held.
 *
 * UTF-8 is recognized by its rules (RFC 3629, table 3-7 of Unicode), GB18030 by its pairs (WHATWG Encoding, gb18030):
 * Chinese characters and punctuation are mostly pairs with both bytes from 0xa1 on, where a Western text has single ones.
 */
export class EncodingEvidence {
  /** Whole sequences of several bytes, and places that UTF-8 does not allow. */
  utf8Sequences = 0;
  utf8Faults = 0;
  /** Of the sequences those of three and four bytes: other encodings hardly ever look like these. */
  utf8LongSequences = 0;
  hasNewline = false;
  hasReturn = false;

  private size = 0;
  private mark: readonly number[] = [];
  private readonly nuls = [0, 0]; // at even places, at odd ones
  private awaited = 0; // continuation bytes
  private lowest = 0x80;
  private highest = 0xbf;
  private isLong = false;
  private gbState: 'start' | 'second' | 'third' | 'fourth' = 'start';
  private gbLead = 0;
  private gbCommonPairs = 0;
  private gbOtherPairs = 0;
  private gbFaults = 0;
  private undefinedBytes = 0;

  add(chunk: Buffer): void {
    if (this.size < 4) this.mark = [...this.mark, ...chunk.subarray(0, 4 - this.size)];
    this.hasNewline ||= chunk.includes(NEWLINE);
    this.hasReturn ||= chunk.includes(RETURN);
    const isIdle = this.awaited === 0 && this.gbState === 'start';
    if (!isIdle || !isAscii(chunk) || chunk.includes(0)) this.weigh(chunk);
    this.size += chunk.length;
  }

  private weigh(chunk: Buffer): void {
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index] as number;
      if (byte === 0) this.nuls[(this.size + index) % 2]!++;
      this.weighUtf8(byte);
      this.weighGb(byte);
      if (NOT_WINDOWS_1252.has(byte)) this.undefinedBytes++;
    }
  }

  private weighUtf8(byte: number): void {
    if (this.awaited > 0) {
      if (byte >= this.lowest && byte <= this.highest) {
        [this.lowest, this.highest] = [0x80, 0xbf];
        if (--this.awaited > 0) return;
        this.utf8Sequences++;
        if (this.isLong) this.utf8LongSequences++;
        return;
      }
      this.utf8Faults++;
      this.awaited = 0;
    }
    if (byte < 0x80) return;
    this.lowest = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
    this.highest = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
    this.isLong = byte >= 0xe0;
    if (byte >= 0xc2 && byte <= 0xdf) this.awaited = 1;
    else if (byte >= 0xe0 && byte <= 0xef) this.awaited = 2;
    else if (byte >= 0xf0 && byte <= 0xf4) this.awaited = 3;
    else this.utf8Faults++;
  }

  private weighGb(byte: number): void {
    const state = this.gbState;
    this.gbState = 'start';
    if (state === 'second' && byte >= 0x40 && byte !== 0x7f && byte !== 0xff) {
      if (this.gbLead >= 0xa1 && byte >= 0xa1) this.gbCommonPairs++;
      else this.gbOtherPairs++;
    } else if (state === 'second' && byte >= 0x30 && byte <= 0x39) this.gbState = 'third';
    else if (state === 'third' && byte >= 0x81 && byte <= 0xfe) this.gbState = 'fourth';
    else if (state === 'fourth' && byte >= 0x30 && byte <= 0x39) this.gbCommonPairs++;
    else {
      if (state !== 'start') this.gbFaults++;
      if (byte >= 0x81 && byte <= 0xfe) [this.gbState, this.gbLead] = ['second', byte];
      else if (byte >= 0x80) this.gbFaults++;
    }
  }

  /** Says that all bytes were added: a sequence that is still open is a fault. */
  end(): this {
    if (this.awaited > 0) this.utf8Faults++;
    if (this.gbState !== 'start') this.gbFaults++;
    this.awaited = 0;
    this.gbState = 'start';
    return this;
  }

  /** UTF-16 by its byte order mark, or by NULs in every other place as Western texts have them there. */
  private get utf16(): TextEncoding | null {
    const [first, second] = this.mark;
    if (first === 0xff && second === 0xfe) return 'utf-16le';
    if (first === 0xfe && second === 0xff) return 'utf-16be';
    const [even, odd] = this.nuls as [number, number];
    if (even + odd < 2) return null;
    if (odd > this.size / 20 && odd > 4 * even) return 'utf-16le';
    return even > this.size / 20 && even > 4 * odd ? 'utf-16be' : null;
  }

  /** Whether every byte is ASCII, so that the question does not arise. */
  get isPlain(): boolean {
    return this.utf8Sequences === 0 && this.utf8Faults === 0 && this.utf16 === null;
  }

  /** The likeliest encoding of a text that is not UTF-8. */
  private get fallback(): TextEncoding {
    const looksChinese = this.gbCommonPairs > this.gbOtherPairs + this.gbFaults;
    return looksChinese || (this.undefinedBytes > 0 && this.gbFaults === 0) ? 'gb18030' : 'windows-1252';
  }

  /**
   * The encoding of the whole: UTF-8 where more of it is right UTF-8 than wrong (a few rows may be damaged), UTF-16, or
   * what {@link EncodingEvidence.fallback} says.
   */
  get encoding(): TextEncoding {
    if (this.utf16 !== null) return this.utf16;
    const isUtf8 = this.utf8Faults === 0 || (this.utf8Sequences > 0 && this.utf8Sequences >= this.utf8Faults);
    return isUtf8 ? 'utf-8' : this.fallback;
  }
}

/** Evidence of bytes that are all there. */
export function bytesEvidence(bytes: Uint8Array): EncodingEvidence {
  const evidence = new EncodingEvidence();
  evidence.add(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return evidence.end();
}

/**
 * Encoding of a short text by itself: UTF-8 where it fits, else UTF-16, GB18030 or windows-1252, whichever is likelier. A
 * UTF-8 text with a damaged place stays UTF-8, and fails when it is decoded.
 */
export function encodingOf(bytes: Uint8Array): TextEncoding {
  return bytesEvidence(bytes).encoding;
}
