import { setImmediate } from 'node:timers/promises';
import type { Judge } from '@drf/judge';
import { expect, it } from 'vitest';
import { collectGarbage, onceClosed } from './once-closed.js';

const judged = { label: 'good' } as Awaited<ReturnType<Judge['judge']>>;

it('a judge is closed once, and then its model takes no memory, though who had it still runs', async () => {
  let closed = 0;
  let seen: WeakRef<Judge> | undefined;
  const judge = await onceClosed(async () => {
    const opened: Judge = { info: { name: 'mine' } as Judge['info'], judge: async () => judged, close: async () => void closed++ }; // prettier-ignore
    seen = new WeakRef(opened);
    return opened;
  });
  expect([await judge.judge({ text: 'a', image: null }), judge.info.name]).toEqual([judged, 'mine']);
  await setImmediate();
  collectGarbage();
  expect(seen?.deref()).toBeDefined();
  await Promise.all([judge.close(), judge.close()]);
  await judge.close();
  expect(closed).toBe(1);
  await setImmediate(); // a weak reference holds what it gave for the rest of its turn
  collectGarbage();
  expect(seen?.deref()).toBeUndefined();
  expect(judge.info.name).toBe('mine');
});
