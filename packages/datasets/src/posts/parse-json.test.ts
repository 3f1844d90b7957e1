import { describe, expect, it } from 'vitest';
import { parseJson } from './json.js';

describe('parseJson', () => {
  it('keeps the digits of whole numbers that a double cannot hold', () => {
    expect(parseJson('{"id": 1294030472427835393, "n": [-98765432109876543210, 9007199254740991]}')).toEqual({
      id: '1294030472427835393',
      n: ['-98765432109876543210', 9007199254740991],
    });
  });

  it('leaves texts, decimals and small numbers alone', () => {
    const text =
      '{"text":"tweet 1294030472427835393 \\\\\\" , 1294030472427835393","a":0.12345678901234567,"b":1e21,"c":-7}';
    expect(parseJson(text)).toEqual({
      text: 'tweet 1294030472427835393 \\" , 1294030472427835393',
      a: 0.12345678901234567,
      b: 1e21,
      c: -7,
    });
  });

  it('takes NaN, which Python writes, for nothing, but not inside texts', () => {
    expect(parseJson('{"image": NaN, "x": -Infinity, "text": "NaN: Infinity"}')).toEqual({
      image: null,
      x: null,
      text: 'NaN: Infinity',
    });
  });

  it('refuses what is no JSON', () => {
    for (const text of ['{"a":12345678901234567', '{"a":"12345678901234567}', '{"a":NaNs}', '']) {
      expect(() => parseJson(text)).toThrow(SyntaxError);
    }
  });
});
