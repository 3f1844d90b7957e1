import { describe, expect, it } from 'vitest';
import { paperCells, parseCells, parseRatios } from './cells.js';

const names = (text: string, ratios?: readonly number[]): string[] => parseCells(text, ratios).map(({ name }) => name);

describe('paperCells', () => {
  it('holds clean, six modality-fixed and fifteen modality-random cells', () => {
    const cells = paperCells();
    expect(cells).toHaveLength(22);
    expect(cells[0]?.name).toBe('clean');
    expect(cells.filter(({ strategy }) => strategy.kind === 'modality-fixed').map(({ name }) => name)).toEqual([
      'fixed:image:C',
      'fixed:image:D',
      'fixed:image:C+D',
      'fixed:text:C',
      'fixed:text:D',
      'fixed:text:C+D',
    ]);
    expect(cells.at(-1)?.name).toBe('random:1:C+D');
  });
});

describe('parseCells', () => {
  it('puts the clean cell first, once', () => {
    expect(names('random:0.5:D,clean,none')).toEqual(['clean', 'random:0.5:D']);
  });

  it('expands groups with the given ratios and drops doubles', () => {
    expect(names('random,random:1:C', [0.2, 1])).toEqual([
      'clean',
      'random:0.2:C',
      'random:1:C',
      'random:0.2:D',
      'random:1:D',
      'random:0.2:C+D',
      'random:1:C+D',
    ]);
  });

  it.each([
    ['fixed:imgae:C', 'did you mean "fixed:image:C"?'],
    ['randm', 'did you mean "random"?'],
    ['fixed:text:E', 'did you mean "fixed:text:C"?'],
  ])('refuses %s and says: %s', (text, remedy) => {
    expect(() => parseCells(text)).toThrow(
      `--cells expected clean, fixed, random, or strategies such as fixed:image:C+D or random:0.6:D, received "${text}"; ${remedy}`,
    );
  });

  it('lists what there is when nothing is near', () => {
    expect(() => parseCells('xyzzyxyzzyxyzzy')).toThrow('choose one of fixed, random, clean, fixed:image:C');
  });
});

describe('parseRatios', () => {
  it('sorts and drops doubles', () => {
    expect(parseRatios('1, 0.2,.5,0.2')).toEqual([0.2, 0.5, 1]);
  });

  it.each(['0', '1.5', '-0.2', 'half', '0.2,,1'])('refuses %s', (text) => {
    expect(() => parseRatios(text)).toThrow('--ratios expected numbers above 0 and up to 1');
  });
});
