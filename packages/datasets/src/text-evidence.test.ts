import { describe, expect, it } from 'vitest';
import { bytesEvidence, EncodingEvidence, encodingOf } from './text-evidence.js';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const GB = Buffer.from([0xd5, 0xe2, 0xca, 0xc7, 0xd6, 0xd0, 0xce, 0xc4, 0xa1, 0xa3]); // 这是中文。

describe('EncodingEvidence', () => {
  it.each([
    ['plain', Buffer.from('id,text\n'), 'utf-8'],
    ['UTF-8', Buffer.from('café 😀 für'), 'utf-8'],
    ['UTF-8 with a damaged place', Buffer.concat([Buffer.from('é '), Buffer.from([0xff])]), 'utf-8'],
    ['French in windows-1252', latin1('caf\xe9 \x92tis, o\xf9 \x85'), 'windows-1252'],
    ['German in windows-1252', latin1('Gef\xfchl f\xfcr \xc4pfel, sch\xf6n'), 'windows-1252'],
    ['Chinese in GB18030', GB, 'gb18030'],
    ['English with Chinese punctuation', Buffer.concat([Buffer.from('so '), Buffer.from([0xa1, 0xad]), Buffer.from(' x')]), 'gb18030'],
    ['UTF-16 with a mark', utf16('\ufeffhi'), 'utf-16le'],
    ['UTF-16 with a mark, the other way round', utf16('\ufeffhi').swap16(), 'utf-16be'],
    ['UTF-16 without', utf16('id\ttext\n1\tcafé\n'), 'utf-16le'],
    ['UTF-16 without, the other way round', utf16('id\ttext\n1\tcafé\n').swap16(), 'utf-16be'],
  ])('recognizes %s', (_, bytes, encoding) => {
    expect(encodingOf(bytes)).toBe(encoding);
  }); // prettier-ignore

  it('does not depend on how the bytes are cut', () => {
    const bytes = Buffer.concat([Buffer.from('a é … 😀 \ufffd'), Buffer.from([0xe2, 0x82]), GB, Buffer.from('\r\n')]);
    const pieces = new EncodingEvidence();
    for (const byte of bytes) pieces.add(Buffer.from([byte]));
    const whole = bytesEvidence(bytes);
    expect(pieces.end()).toEqual(whole);
    expect([whole.utf8Sequences, whole.utf8LongSequences, whole.hasNewline]).toEqual([5, 3, true]);
  });

  it('counts what UTF-8 does not allow: overlong forms, surrogates, lone and missing bytes', () => {
    for (const bytes of [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80], [0x80], [0xe2, 0x82]]) {
      const { utf8Faults, utf8Sequences } = bytesEvidence(Uint8Array.from(bytes));
      expect([utf8Faults > 0, utf8Sequences], bytes.join()).toEqual([true, 0]);
    }
  });
});
