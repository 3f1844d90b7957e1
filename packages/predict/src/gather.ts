import { setImmediate } from 'node:timers/promises';

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Batches under way at once at most: two are computed side by side where there are threads for it, and the next one is prepared. */
const BATCHES_AHEAD = 3;
/** Items of a batch as long as nothing is known of the time that they take. */
const FIRST_BATCH = 8;
/** What a batch is to take at most, so that nobody waits long for who came along, and a service that watches over it sees answers. */
const BATCH_MILLISECONDS = 2_000;

/**
 * Gathers calls that overlap into batches. Calls wait for nobody while fewer than three batches are under way; those that
 * come later go together as soon as one of these has ended. By the time that the last batch took, the next one has as many
 * items as two seconds allow.
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

  async function work(): Promise<void> {
    await setImmediate(); // what comes in one go, or by several messages at once, goes together
    while (waiting.length > 0) await answer(waiting.splice(0, full));
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
      if (underWay >= ahead) return;
      underWay += 1;
      void work();
    });
}
