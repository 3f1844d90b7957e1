import { setImmediate } from 'node:timers/promises';

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers calls that overlap into batches: those that come while a batch is under way go together next. A call that comes
 * alone waits for nobody. (Were two batches under way at once, the first call that comes would be one by itself.)
 * @param most items of a batch
 * @param run results in the order of the items; where it fails, each item is tried alone, so that an error is that of the
 *   item that it comes from
 */
export function gathered<Item, Result>(
  most: number,
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let isUnderWay = false;

  async function work(): Promise<void> {
    await setImmediate(); // what comes in one go, or by several messages at once, goes together
    while (waiting.length > 0) await answer(waiting.splice(0, most));
    isUnderWay = false;
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
      if (isUnderWay) return;
      isUnderWay = true;
      void work();
    });
}
