import { setImmediate } from 'node:timers/promises';

/** Batches of one encoder that are under way at once: while one is computed, the next one is prepared. */
export const BATCHES_UNDER_WAY = 2;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers calls that overlap into batches: those that come while others are under way go together next. A call that comes
 * alone waits for nobody.
 * @param most items of a batch
 * @param run results in the order of the items; where it fails, each item is tried alone, so that an error is that of the
 *   item that it comes from
 */
export function gathered<Item, Result>(
  most: number,
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let underWay = 0;

  async function work(): Promise<void> {
    await setImmediate(); // what comes in one go, or by several messages at once, goes together
    while (waiting.length > 0) await answer(waiting.splice(0, most));
    underWay -= 1;
  }

  async function answer(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await run(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, i) => resolve(results[i] as Result));
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const each of batch) await answer([each]);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (underWay === BATCHES_UNDER_WAY) return;
      underWay += 1;
      void work();
    });
}
