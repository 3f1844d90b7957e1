/**
 * Applies an asynchronous function to items side by side and gives the results in the items' order. At most `ahead`
 * results are under way or waiting at any time, so memory stays bounded however many items there are and however slow
 * the reader is. An error, also of the items themselves, comes out at its place, behind the results before it. An error, or
 * leaving the loop early, starts nothing more; the loop ends when nothing is under way any more.
 * @param ahead how many items may be under way, at least 1
 */
export async function* mapAhead<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  ahead: number,
  transform: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const pending: Promise<PromiseSettledResult<Result>>[] = [];
  const settle = async (item: Item): Promise<PromiseSettledResult<Result>> =>
    (await Promise.allSettled([transform(item)]))[0];
  try {
    for await (const each of withError(items)) {
      pending.push('item' in each ? settle(each.item) : Promise.resolve({ status: 'rejected', reason: each.error }));
      if (pending.length >= ahead) yield unwrap(await pending.shift());
    }
    while (pending.length > 0) yield unwrap(await pending.shift());
  } finally {
    await Promise.all(pending); // whoever called may free what they use
  }
}

function unwrap<Result>(result: PromiseSettledResult<Result> | undefined): Result {
  if (result?.status === 'fulfilled') return result.value;
  throw result?.reason;
}

/** Items, and what ended them too early, as one more. */
async function* withError<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
): AsyncGenerator<{ readonly item: Item } | { readonly error: unknown }> {
  try {
    for await (const item of items) yield { item };
  } catch (error) {
    yield { error };
  }
}

/**
 * Gives items on until the signal aborts, also while the next one does not come.
 * @throws the signal's reason when it aborts
 */
export async function* untilAborted<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  signal: AbortSignal,
): AsyncGenerator<Item> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const { value, done } = await orAborted(iterator.next(), signal);
      ended = done === true;
      if (ended) return;
      yield value;
    }
  } catch (error) {
    ended ||= !signal.aborted; // an iterator that threw is over
    throw error;
  } finally {
    if (!ended) {
      const ending = Promise.resolve(iterator.return?.());
      // one that waits for ever does not end, either
      await (signal.aborted ? void ending.catch(() => undefined) : ending);
    }
  }
}

/** What a promise or value comes to. @throws the signal's reason when that comes first */
function orAborted<Value>(value: Value | PromiseLike<Value>, signal: AbortSignal): Promise<Awaited<Value>> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([value, aborted]).finally(() => signal.removeEventListener('abort', stop as () => void)); // prettier-ignore
}
