/**
 * Applies an asynchronous function to items side by side and gives the results in the items' order. At most `ahead`
 * results are under way or waiting at any time, so memory stays bounded however many items there are and however slow
 * the reader is. An error comes out at its item's place; leaving the loop early starts nothing more.
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
  for await (const item of items) {
    pending.push(settle(item));
    if (pending.length >= ahead) yield unwrap(await pending.shift());
  }
  while (pending.length > 0) yield unwrap(await pending.shift());
}

function unwrap<Result>(result: PromiseSettledResult<Result> | undefined): Result {
  if (result?.status === 'fulfilled') return result.value;
  throw result?.reason;
}
