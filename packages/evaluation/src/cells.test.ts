import { describe, expect, it } from 'vitest';
import { parseStrategy } from '@drf/disruption';
import { formatCell, paperStrategies, parseCell, parseRatios, parseStrategies, type Cell } from './cells.js';

const names = (text: string, ratios?: readonly number[]): string[] =>
  parseStrategies(text, ratios).map((testedOn) => formatCell({ testedOn }));

describe('formatCell', () => {
  const cells: [string, Cell][] = [
    ['clean', { testedOn: { kind: 'none' }, trainedOn: { kind: 'none' }, fold: null, seed: 0 }],
    [
      'fixed:image:C+D fold:2/5',
      { testedOn: parseStrategy('fixed:image:C+D'), trainedOn: { kind: 'none' }, fold: { fold: 2, folds: 5 }, seed: 0 },
    ],
    [
      'random:0.6:C:independent trained:random:0.6:D seed:3',
      {
        testedOn: parseStrategy('random:0.6:C:independent'),
        trainedOn: parseStrategy('random:0.6:D'),
        fold: null,
        seed: 3,
      },
    ],
  ];

  it.each(cells)('writes %s, and parseCell reads it back', (text, cell) => {
    expect(formatCell(cell)).toBe(text);
    expect(parseCell(text)).toEqual(cell);
  });

  it.each([
    'clean seed:x',
    'clean fold:2',
    'clean seed:1 seed:2',
    'clean sed:1',
    'clean trained',
    'clean fixed:image:C',
  ])('parseCell refuses %s', (text) => {
    expect(() => parseCell(text)).toThrow(/Cell expected a disruption.*write it like random:0\.6:D trained:/);
  });
});

describe('paperStrategies', () => {
  it('holds clean, six modality-fixed and fifteen modality-random cells', () => {
    const cells = paperStrategies();
    expect(cells).toHaveLength(22);
    const text = cells.map((testedOn) => formatCell({ testedOn }));
    expect(text[0]).toBe('clean');
    expect(text.filter((name) => name.startsWith('fixed'))).toEqual([
      'fixed:image:C',
      'fixed:image:D',
      'fixed:image:C+D',
      'fixed:text:C',
      'fixed:text:D',
      'fixed:text:C+D',
    ]);
    expect(text.at(-1)).toBe('random:1:C+D');
  });
});

describe('parseStrategies', () => {
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
    ['fixed:text:typo@3', 'did you mean "fixed:text:typos@3"?'],
    ['fixed:image:typos@3', 'did you mean '],
  ])('refuses %s and says: %s', (text, remedy) => {
    expect(() => parseStrategies(text)).toThrow(
      `--cells expected clean, fixed, random, corruptions, missing, or strategies such as fixed:image:C+D, random:0.6:D or fixed:text:typos@3, received "${text}"; ${remedy}`,
    );
  });

  it.each([
    ['missing:image=0.9:text=0.9', 'rates that add up to at most 1'],
    ['fixed:text:typos@7', 'a severity from 1 to 5 after "typos@"'],
  ])('says what is wrong with the numbers of %s', (text, expected) => {
    expect(() => parseStrategies(text)).toThrow(`Disruption strategy "${text}" expected ${expected}`);
  });

  it('expands corruptions by severity and missing rates', () => {
    const corruptions = names('corruptions');
    expect(corruptions).toHaveLength(1 + 12 * 5);
    expect(corruptions.slice(1, 3)).toEqual(['fixed:image:gaussian_noise@1', 'fixed:image:gaussian_noise@2']);
    expect(names('missing,fixed:text:typos@3', [0.4])).toEqual([
      'clean',
      'missing:image=0.4',
      'missing:text=0.4',
      'missing:image=0.2:text=0.2',
      'fixed:text:typos@3',
    ]);
  });

  it('refuses what a run decides itself', () => {
    expect(() => parseStrategies('clean seed:1')).toThrow('received "clean seed:1"');
  });

  it('lists what there is when nothing is near', () => {
    expect(() => parseStrategies('xyzzyxyzzyxyzzy')).toThrow(
      'choose one of fixed, random, corruptions, missing, clean, fixed:image:C',
    );
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
