import { describe, expect, it } from 'vitest';
import { RecentMap } from './recent-map.js';

describe('RecentMap', () => {
  it('lets the entry go that was used longest ago', () => {
    const map = new RecentMap<string, number>(2);
    expect([map.set('a', 1), map.set('b', 2), map.get('a'), map.set('c', 3)]).toEqual([undefined, undefined, 1, 2]);
    expect([map.get('b'), map.size, map.set('a', 4), map.set('d', 5)]).toEqual([undefined, 2, undefined, 3]);
    map.delete('a', 4);
    map.delete('d', 1); // is 5 now
    expect([map.clear(), map.size]).toEqual([[5], 0]);
  });
});
