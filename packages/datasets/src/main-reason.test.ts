import { ConfigurationError, ShapeMismatchError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { DROP_REASONS, Ledger } from './ledger.js';
import { explainLoss, lossWarning, mainReason, UnusableDataError } from './main-reason.js';

function ledgerOf(kept: number, dropped: readonly (readonly [number, (typeof DROP_REASONS)[number]])[]): Ledger {
  const ledger = new Ledger('posts.csv');
  ledger.keep(kept);
  for (const [count, reason] of dropped) {
    for (let i = 0; i < count; i++) ledger.drop({ id: `${i}`, line: i + 2, reason, detail: `posts.csv, line ${i + 2} is wrong` }); // prettier-ignore
  }
  return ledger;
}

describe('mainReason', () => {
  it('is that of most dropped rows, with what to do about all of them', () => {
    const report = ledgerOf(1, [[2, 'bad row'], [39, 'duplicate id']]).toJSON(); // prettier-ignore
    expect(mainReason(report)).toEqual({
      reason: 'duplicate id',
      count: 39,
      rows: 42,
      what: 'have an id that an earlier row has',
      example: 'posts.csv, line 2 is wrong',
      remedy: 'leave the column of ids out (--columns id=), and rows are numbered, or name another (--columns id=NAME)',
    });
    expect(mainReason(ledgerOf(3, []).toJSON())).toBeNull();
  });

  it('has words for every reason', () => {
    for (const reason of DROP_REASONS) {
      const main = mainReason(ledgerOf(1, [[2, reason]]).toJSON());
      expect(
        [main?.what, main?.remedy].every((text) => (text ?? '').length > 5),
        reason,
      ).toBe(true);
    }
  });
});

describe('lossWarning', () => {
  it('speaks up from a tenth of the rows on', () => {
    expect(lossWarning(ledgerOf(90, [[10, 'missing image']]).toJSON())).toMatch(
      /^10 of 100 rows name an image that is not there and are not used: say which folder/,
    );
    expect(lossWarning(ledgerOf(91, [[9, 'missing image']]).toJSON())).toBeNull();
    expect(lossWarning(ledgerOf(3, [[1, 'missing image']]).toJSON())).toBeNull(); // one row hints at nothing
  });

  it('is silent about what the label rule or the user drops', () => {
    expect(lossWarning(ledgerOf(10, [[50, 'no majority label'], [50, 'label left out']]).toJSON())).toBeNull(); // prettier-ignore
  });
});

describe('explainLoss', () => {
  const error = new ConfigurationError({ subject: 'makeSplits', expected: 'at least one post', received: 'none' });

  it('names the cause of too few posts', () => {
    const explained = explainLoss(error, ledgerOf(1, [[1, 'bad row'], [38, 'duplicate id']]).toJSON()) as Error; // prettier-ignore
    expect(explained).toBeInstanceOf(UnusableDataError);
    expect(explained.message).toBe(
      'Opening posts.csv expected enough usable rows (makeSplits: at least one post), received 1 of 40 (38 have an id that an earlier row has, 1 × bad row; the first: posts.csv, line 2 is wrong); leave the column of ids out (--columns id=), and rows are numbered, or name another (--columns id=NAME)',
    );
    expect(explained.cause).toBe(error);
  });

  it('leaves other errors as they are', () => {
    expect(explainLoss(error, ledgerOf(5, [[4, 'bad row']]).toJSON())).toBe(error); // most rows are there
    expect(explainLoss(error, ledgerOf(0, []).toJSON())).toBe(error);
    const bug = new ShapeMismatchError({ subject: 'x', expected: 'y', received: 'z' });
    expect(explainLoss(bug, ledgerOf(1, [[9, 'bad row']]).toJSON())).toBe(bug);
    const explained = explainLoss(error, ledgerOf(1, [[9, 'bad row']]).toJSON());
    expect(explainLoss(explained, ledgerOf(1, [[9, 'bad row']]).toJSON())).toBe(explained);
  });
});
