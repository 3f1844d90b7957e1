import { setImmediate } from 'node:timers/promises';

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Batches under way at once at most: while one is computed, the next one is prepared. */
const BATCHES_AHEAD = 2;
/** Items of a batch as long as nothing is known of the time that they take. */
const FIRST_BATCH = 8;
/** What a batch is to take at most, so that nobody waits long for who came along, and a service that watches over it sees answers. */
const BATCH_MILLISECONDS = 2_000;

/**
 * Gathers calls that overlap into batches: those that come while a batch is under way go together next, as soon as there
 * are as many as a batch may have, or else when it has ended. A call that comes alone waits for nobody. By the time that
 * the last batch took, the next one has as many items as two seconds allow.
 * @param most items of a batch; 1: one after the other
 * @param run results in the order of the items; where it fails, each item is tried alone, so that an error is that of the
 *   item that it comes from
 * @param now a clock, in milliseconds
 */
export function gathered<Item, Result>(
  most: number,
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  now: () => number = () => performance.now(),
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = [];
  const ahead = most === 1 ? 1 : BATCHES_AHEAD;
  let underWay = 0;
  let full = Math.min(most, FIRST_BATCH);

  /** Beside another one, a batch is full: a part of one waits, as more may come until the other has ended. */
  const isNextDue = (others: number): boolean => waiting.length >= (others === 0 ? 1 : full);

  async function work(): Promise<void> {
    await setImmediate(); // what comes in one go, or by several messages at once, goes together
    while (isNextDue(underWay - 1)) await answer(waiting.splice(0, full));
    underWay -= 1;
  }

  async function answer(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const startedAt = now();
      const results = await run(batch.map(({ item }) => item));
      const each = (now() - startedAt) / batch.length;
      full = Math.max(1, Math.min(most, Math.floor(BATCH_MILLISECONDS / each)));
      batch.forEach(({ resolve }, i) => resolve(results[i] as Result));
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const each of batch) await answer([each]);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (underWay >= ahead || !isNextDue(underWay)) return;
      underWay += 1;
      void work();
    });
}
