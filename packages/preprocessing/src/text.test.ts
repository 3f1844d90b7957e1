import { describe, expect, it } from 'vitest';
import { boundMarks, createTokenizer, headOf, MAXIMUM_MARKS, padTokens, type Vocabulary } from './text.js';

describe('the parts of a text that are read', () => {
  it('ends with a whole word, or a whole character', () => {
    expect(headOf('good day today', 10)).toBe('good day');
    expect(headOf('good\u2581day', 7)).toBe('good');
    expect(headOf('goodday', 4)).toBe('good');
    expect(headOf('ab\u{1f600}', 3)).toBe('ab');
    expect(headOf('short', 5)).toBe('short');
  });

  it('has 128 combining marks of a run, and all of shorter ones', () => {
    const marks = '\u0301\u0323'.repeat(MAXIMUM_MARKS);
    expect(boundMarks(`a${marks}b\u0301`)).toBe(`a${marks.slice(0, MAXIMUM_MARKS)}b\u0301`);
    expect(boundMarks('naïve cafe\u0301')).toBe('naïve cafe\u0301');
  });
});

describe('padTokens', () => {
  it('masks what it pads', () => {
    const { tokens, mask } = padTokens([[5, 0], []], 3);
    expect([...tokens.data]).toEqual([5, 0, 0, 0, 0, 0]);
    expect([...mask.data]).toEqual([1, 1, 0, 0, 0, 0]);
  });
});

describe('createTokenizer', () => {
  // the first six ids are reserved
  const reserved: Vocabulary = ['\ufffd', '<s>', '</s>', 'a', 'b', 'c'].map((piece) => [piece, 0]);
  const words: Vocabulary = [['\u2581', -3], ['\u2581good', -4], ['day', -2], ['\u2581day', -4], ['s', -1]]; // prettier-ignore
  const vocabulary: Vocabulary = [
    ...reserved,
    ...words,
    ...[...'goday'].map((letter): [string, number] => [letter, -10]),
  ];

  it('takes the pieces whose scores sum highest, and one unknown for what none covers', () => {
    const tokenize = createTokenizer(vocabulary);
    expect(tokenize('good days')).toEqual([7, 9, 10]); // −4 for " day" as one piece, −3 − 2 as two
    expect(tokenize('good😀😀day')).toEqual([7, 0, 8]);
    expect(tokenize('')).toEqual([]);
  });

  it('reads NFKC and one space for many', () => {
    const tokenize = createTokenizer(vocabulary);
    expect(tokenize('  ｇｏｏｄ\n\tday ')).toEqual(tokenize('good day'));
  });
});
