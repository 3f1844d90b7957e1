import { ConfigurationError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import {
  assertStrategy,
  corruptionStrategies,
  fixedStrategies,
  formatStrategy,
  parseCorruption,
  parseStrategy,
  randomStrategies,
  type Strategy,
  strategyFileName,
} from './strategy.js';

describe('strategies as text', () => {
  it('reads the three kinds', () => {
    expect(parseStrategy('none')).toEqual({ kind: 'none' });
    expect(parseStrategy('fixed:image:C+D')).toEqual({ kind: 'modality-fixed', modality: 'image', setting: 'C+D' });
    expect(parseStrategy('random:0.6:D')).toEqual({ kind: 'modality-random', ratio: 0.6, setting: 'D' });
    const independent = { kind: 'modality-random', ratio: 0.6, setting: 'D', independent: true } as const;
    expect(parseStrategy('random:0.6:D:independent')).toEqual(independent);
    expect(formatStrategy(independent)).toBe('random:0.6:D:independent');
    expect(formatStrategy(parseStrategy('fixed:text:C+D:independent'))).toBe('fixed:text:C+D:independent');
    expect(parseStrategy('random:.5:C')).toEqual({ kind: 'modality-random', ratio: 0.5, setting: 'C' });
    const rare = parseStrategy('random:0.0000001:D');
    expect(parseStrategy(formatStrategy(rare))).toEqual(rare); // 1e-7
  });

  it('reads back what it writes, for every strategy of the paper', () => {
    const strategies = [...fixedStrategies(), ...randomStrategies(), { kind: 'none' } as const];
    expect(strategies).toHaveLength(6 + 15 + 1);
    for (const strategy of strategies) expect(parseStrategy(formatStrategy(strategy))).toEqual(strategy);
    expect(new Set(strategies.map(strategyFileName)).size).toBe(strategies.length);
    expect(strategyFileName(parseStrategy('random:0.6:C+D'))).toBe('random-0.6-C+D');
  });

  it.each([
    ['fixed:image:gaussian_noise@3', { kind: 'corruption', corruption: 'gaussian_noise', severity: 3, ratio: 1 }],
    ['random:0.6:typos', { kind: 'corruption', corruption: 'typos', severity: null, ratio: 0.6 }],
    [
      'random:0.6:typos@2:independent',
      { kind: 'corruption', corruption: 'typos', severity: 2, ratio: 0.6, independent: true },
    ],
    ['missing:image=0.3:text=0.1', { kind: 'missing', image: 0.3, text: 0.1 }],
    ['missing:text=1', { kind: 'missing', image: 0, text: 1 }],
    ['missing:image=0', { kind: 'missing', image: 0, text: 0 }],
    ['missing:image=0.3:independent', { kind: 'missing', image: 0.3, text: 0, independent: true }],
  ])('reads %s and writes it again', (text, strategy) => {
    expect(parseStrategy(text)).toEqual(strategy);
    expect(formatStrategy(parseStrategy(text))).toBe(text);
    assertStrategy(parseStrategy(text));
  });

  it('takes every post at random for every post', () => {
    expect(formatStrategy(parseStrategy('random:1:typos@2'))).toBe('fixed:text:typos@2');
    expect(formatStrategy(parseStrategy('missing:text=0.1:image=0.3'))).toBe('missing:image=0.3:text=0.1');
    const all = corruptionStrategies();
    expect(all).toHaveLength(60);
    for (const strategy of all) expect(parseStrategy(formatStrategy(strategy))).toEqual(strategy);
  });

  it.each([
    ['fixed:audio:C', 'expected a modality of image, text, received "audio"'],
    ['fixed:image:X', 'expected a setting of C, D, C+D, or a corruption of gaussian_noise, '],
    ['random:1.5:C', 'expected a ratio from 0 to 1, received "1.5"'],
    ['random:-0.1:C', 'expected a ratio from 0 to 1, received "-0.1"'],
    ['random:0x1:C', 'expected a ratio from 0 to 1, received "0x1"'],
    ['random::C', 'expected a ratio from 0 to 1, received ""'],
    ['shuffle:image:C', 'received the kind "shuffle"'],
    ['none:image', 'received another form'],
    [
      'fixed:image',
      'expected "none", "fixed:MODALITY:SETTING", "random:RATIO:SETTING" (in place of a setting also CORRUPTION@SEVERITY), "missing:image=RATIO:text=RATIO" or "MODULE:RATIO:OPTION=VALUE", received another form',
    ],
    ['fixed:image:C:D', 'expected nothing or "independent" after the setting, received "D"'],
    ['fixed:image:C:independent', 'received setting C, which has no shares'],
    ['random:0.6:C:independent:x', 'received another form'],
    ['', 'received another form'],
    ['fixed:image:jpeg@6', 'expected a severity from 1 to 5 after "jpeg@", or none to have it drawn, received "6"'],
    ['fixed:image:jpeg@', 'or none to have it drawn, received ""'],
    ['fixed:text:jpeg@1', 'expected image with jpeg, which corrupts images, received text'],
    ['fixed:image:rain@1', 'or a corruption of gaussian_noise, '],
    ['fixed:image:jpeg@1:independent', 'received setting jpeg@1, which has no shares'],
    ['missing', 'expected a rate for image, text or both, received none'],
    ['missing:image', 'expected a ratio from 0 to 1, received ""'],
    ['missing:sound=0.1', 'expected a modality of image, text, received "sound"'],
    ['missing:image=0.1:image=0.2', 'expected each modality once, received image twice'],
    [
      'missing:image=0.7:text=0.4',
      'expected rates that add up to at most 1, since a post that misses both modalities says nothing, received image 0.7 and text 0.4',
    ],
  ])('refuses %j', (text, message) => {
    expect(() => parseStrategy(text)).toThrow(ConfigurationError);
    expect(() => parseStrategy(text)).toThrow(`Disruption strategy ${JSON.stringify(text)} expected`);
    expect(() => parseStrategy(text)).toThrow(message);
    expect(() => parseStrategy(text)).toThrow('write it like fixed:image:C+D or random:0.6:D');
  });

  it('reads single corruptions, and refuses what is none', () => {
    expect(parseCorruption('typos@3')).toEqual({ corruption: 'typos', severity: 3 });
    expect(parseCorruption('jpeg')).toEqual({ corruption: 'jpeg', severity: null });
    expect(() => parseCorruption('C')).toThrow(/^Corruption "C" expected one of gaussian_noise, .*, received "C"/);
    expect(() => parseCorruption('jpeg@6')).toThrow(
      /^Corruption "jpeg@6" expected a severity from 1 to 5 after "jpeg@"/,
    );
    expect(() => parseCorruption('jpeg:independent')).toThrow(ConfigurationError);
  });

  it('checks strategies that were not parsed', () => {
    const random = (ratio: number): Strategy => ({ kind: 'modality-random', ratio, setting: 'C' });
    for (const ratio of [Number.NaN, -1, 1.01, Number.POSITIVE_INFINITY]) {
      expect(() => assertStrategy(random(ratio))).toThrow('expected a ratio from 0 to 1');
    }
    for (const ratio of [0, 0.123456789, 1]) expect(() => assertStrategy(random(ratio))).not.toThrow();
  });
});
