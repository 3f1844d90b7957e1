import { describe, expect, it } from 'vitest';
import { Ledger } from './ledger.js';

describe('Ledger', () => {
  it('accounts for every row, in the order of the reasons', () => {
    const ledger = new Ledger('here');
    ledger.keep(3);
    ledger.drop({ id: '7', line: 8, reason: 'bad row', detail: 'why' });
    ledger.drop({ id: '4', line: 5, reason: 'missing text' });
    ledger.note('a remark', '1');
    ledger.note('a remark', '2');
    expect(ledger.toJSON()).toEqual({
      source: 'here',
      rows: 5,
      kept: 3,
      dropped: 2,
      reasons: [
        { reason: 'missing text', count: 1, ids: ['4'], rows: [{ id: '4', line: 5, reason: 'missing text' }] },
        { reason: 'bad row', count: 1, ids: ['7'], rows: [{ id: '7', line: 8, reason: 'bad row', detail: 'why' }] },
      ],
      notes: [{ message: 'a remark', ids: ['1', '2'] }],
    });
  });

  it('moves a row that turns out unreadable from kept to dropped, once', () => {
    const ledger = new Ledger('here');
    ledger.keep(2);
    for (let epoch = 0; epoch < 3; epoch++) ledger.reject({ id: '1', reason: 'undecodable image' });
    expect([ledger.rows, ledger.kept, ledger.count('undecodable image')]).toEqual([2, 1, 1]);
    expect([ledger.isRejected('1'), ledger.isRejected('2')]).toEqual([true, false]);
  });
});
