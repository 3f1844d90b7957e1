import { describe, expect, it } from 'vitest';
import { groupRuns, identityOf, type GroupMember } from './groups.js';
import { syntheticConfig } from './testing/synthetic.js';

const member = (path: string, overrides: Record<string, unknown>): GroupMember => ({
  path,
  config: syntheticConfig(overrides),
  encoders: { image: 'an-image-encoder', text: 'a-text-encoder' },
});
const labels = (...members: GroupMember[]): [string, number][] =>
  groupRuns(members).map((group) => [group.label, group.members.length]);

describe('groupRuns', () => {
  it('puts seeds together and methods and training disruptions apart', () => {
    expect(
      labels(
        member('a', { seed: 0, name: 'first' }),
        member('b', { seed: 0, method: 'concatenation' }),
        member('c', { seed: 1, name: 'second', dataset: { name: 'mvsa-single', root: 'elsewhere' } }),
        member('d', { seed: 0, training: { disruption: 'random:0.6:C+D' } }),
        member('e', { seed: 0, model: { ablations: { pairExpansion: false } } }),
      ),
    ).toEqual([
      ['drf', 2],
      ['concatenation', 1],
      ['drf, trained on random:0.6:C+D', 1],
      ['drf, no-pair-expansion', 1],
    ]);
  });

  it('names the options in which groups of one method differ', () => {
    expect(labels(member('a', {}), member('b', { model: { weighting: 'relative', converterHidden: 8 } }))).toEqual([
      ['drf; model.converterHidden default, model.weighting normalized', 1],
      ['drf; model.converterHidden 8, model.weighting relative', 1],
    ]);
  });

  it('refuses a seed twice, naming both runs', () => {
    expect(() => groupRuns([member('a', { seed: 3 }), member('b', { seed: 3 })])).toThrow(
      'eval expected each seed of a method once, received seed 3 in a and in b; leave one of the two out',
    );
  });

  it('keeps runs with other encoders apart', () => {
    const other = { ...member('b', { seed: 1 }), encoders: { image: 'another', text: 'a-text-encoder' } };
    expect(labels(member('a', {}), other)).toEqual([
      ['drf; encoders.image an-image-encoder', 1],
      ['drf; encoders.image another', 1],
    ]);
  });
});

it('identityOf leaves out what it is told to', () => {
  const [clean, disrupted] = [member('a', {}), member('b', { training: { disruption: 'random:1:C' } })];
  expect(identityOf(clean)).not.toBe(identityOf(disrupted));
  expect(identityOf(clean, ['training.disruption'])).toBe(identityOf(disrupted, ['training.disruption']));
});
