import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { decodeText } from './text-decoder.js';

const decode = (bytes: readonly number[], encoding: 'utf-8' | 'gb18030') =>
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

  it('names the byte that is not GB18030', () => {
    expect(() => decode([0x61, 0x62, 0xff, 0x63], 'gb18030')).toThrow(DataError);
    expect(() => decode([0x61, 0x62, 0xff, 0x63], 'gb18030')).toThrow(
      'Post 7 expected GB18030 text, received 0xff at byte 2; convert the file or name its encoding',
    );
  });

  it('refuses a sequence that the end cuts off', () => {
    expect(() => decode([0x61, 0x81], 'gb18030')).toThrow(/received an unfinished sequence at byte 2/);
    expect(() => decode([0x61, 0xe2, 0x82], 'utf-8')).toThrow(/UTF-8 text, received an unfinished sequence at byte 3/);
  });

  it('drops a UTF-8 byte order mark', () => {
    expect(decode([0xef, 0xbb, 0xbf, 0x68, 0x69], 'utf-8')).toBe('hi');
  });
});
