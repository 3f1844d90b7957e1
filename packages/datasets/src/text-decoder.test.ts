import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { decodeText, TEXT_ENCODINGS, type TextEncoding } from './text-decoder.js';

const decode = (bytes: readonly number[], encoding: TextEncoding) =>
  decodeText('Post 7', Uint8Array.from(bytes), encoding);

describe('decodeText', () => {
  it('decodes GB18030: two-byte, four-byte and the euro sign', () => {
    expect(decode([0xd0, 0xa6], 'gb18030')).toBe('笑');
    expect(decode([0xa8, 0xa6], 'gb18030')).toBe('é');
    expect(decode([0x94, 0x39, 0xda, 0x33], 'gb18030')).toBe('\u{1f4a9}');
    expect(decode([0x80], 'gb18030')).toBe('€');
  });

  it('trims white space at both ends, as MVSA files end in a blank and a newline', () => {
    expect(decode([0x20, 0x61, 0x20, 0x62, 0x20, 0x0a], 'gb18030')).toBe('a b');
  });

  it('names the first byte of what does not fit, and the option', () => {
    expect(() => decode([0x61, 0x62, 0xff, 0x63], 'gb18030')).toThrow(DataError);
    expect(() => decode([0x61, 0x62, 0xff, 0x63], 'gb18030')).toThrow(
      'Post 7 expected GB18030 text, received 0xff at byte 2; save it as UTF-8, or name its encoding (--dataset.encoding windows-1252, for example)',
    );
    // "caf\xe9 ": the accent is wrong, not the blank behind it
    expect(() => decode([0x63, 0x61, 0x66, 0xe9, 0x20], 'utf-8')).toThrow('UTF-8 text, received 0xe9 at byte 3;');
    expect(() => decode([0xc3, 0xa9, 0xe2, 0x82, 0x41], 'utf-8')).toThrow('received 0xe2 at byte 2;');
    expect(() => decode([0x61, 0x81], 'windows-1252')).toThrow('WINDOWS-1252 text, received 0x81 at byte 1;');
  });

  it('refuses a sequence that the end cuts off', () => {
    expect(() => decode([0x61, 0x81], 'gb18030')).toThrow(/received 0x81 at byte 1, an unfinished sequence at the end/);
    expect(() => decode([0x61, 0xe2, 0x82], 'utf-8')).toThrow(
      /UTF-8 text, received 0xe2 at byte 1, an unfinished sequence at the end/,
    );
  });

  it('decodes windows-1252 with its quotes, dashes and euro, whatever the release of Node.js', () => {
    expect(decode([0x93, 0x63, 0x61, 0x66, 0xe9, 0x94, 0x92, 0x85, 0x96, 0x80], 'windows-1252')).toBe('“café”’…–€');
    const all = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte)); // prettier-ignore
    const text = decode([0x2e, ...all, 0x2e], 'windows-1252');
    expect([text.length, new Set(text).size]).toEqual([253, 251]);
    expect([text.indexOf('Ÿ'), text.indexOf('ÿ')]).toEqual([155, 251]);
  });

  it('knows every encoding that it names', () => {
    for (const encoding of TEXT_ENCODINGS) expect(decode(encoding.startsWith('utf-16') ? [] : [0x61], encoding)).toMatch(/^a?$/); // prettier-ignore
    expect(decode([0x61, 0x00, 0x3d, 0xd8, 0x00, 0xde], 'utf-16le')).toBe('a😀');
    expect(decode([0xcf, 0xf0, 0xe8], 'windows-1251')).toBe('При');
  });

  it('drops a UTF-8 byte order mark', () => {
    expect(decode([0xef, 0xbb, 0xbf, 0x68, 0x69], 'utf-8')).toBe('hi');
  });
});
