import { describe, expect, it } from 'vitest';
import { dueRanges, quote, splitWords, unitCommand } from './command.js';

const WIDE = 1000;

describe('commands', () => {
  it('quote what a shell would change', () => {
    expect(quote('/opt/drf/unit.js')).toBe('/opt/drf/unit.js');
    expect(quote("/it's here/$x")).toBe(`'/it'\\''s here/$x'`);
    expect(splitWords(`--partition=long --comment="two words" -A 'my project'`)).toEqual([
      '--partition=long',
      '--comment=two words',
      '-A',
      'my project',
    ]);
    expect(splitWords('')).toEqual([]);
  });

  it('are those of this machine unless others are given', () => {
    const program = new URL('file:///opt/my%20drf/unit.js');
    expect(unitCommand(program, 'node /drf/unit.js')).toBe('node /drf/unit.js');
    expect(unitCommand(program, undefined)).toMatch(/node.* '\/opt\/my drf\/unit.js'$/);
  });
});

describe('dueRanges', () => {
  const nothing = (): boolean => false;

  it('writes stages of ranges', () => {
    expect(dueRanges([], nothing, WIDE)).toBe('');
    expect(dueRanges([[0, 1, 2, 5, 7, 8], [3]], nothing, WIDE)).toBe('0-2,5,7-8|3');
    expect(dueRanges([[5, 6, 9]], nothing, WIDE, 5)).toBe('0-1,4');
  });

  it('takes in what is there, and only that, where it would be too long', () => {
    const even = Array.from({ length: 50_000 }, (_, index) => 2 * index);
    expect(dueRanges([even], (index) => index % 2 === 1, WIDE)).toBe('0-99998');
    const blocked = dueRanges([even.slice(0, 500)], (index) => index % 2 === 1 && index !== 9, WIDE);
    expect(blocked).toBe('0-8,10-998');
    const short = even.slice(0, 4);
    expect(dueRanges([short], (index) => index % 2 === 1, WIDE)).toBe('0,2,4,6');
  });
});
