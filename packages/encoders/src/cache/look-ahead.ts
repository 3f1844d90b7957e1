/** Runs a generator one item ahead of its consumer, so that reading the next item overlaps work on this one. */
export async function* lookAhead<Item>(source: AsyncGenerator<Item, void>): AsyncGenerator<Item, void> {
  const advance = (): Promise<IteratorResult<Item, void>> => {
    const next = source.next();
    next.catch(() => undefined); // reported when it is its turn
    return next;
  };
  let upcoming = advance();
  try {
    for (;;) {
      const { done, value } = await upcoming;
      if (done === true) return;
      upcoming = advance();
      yield value;
    }
  } finally {
    await source.return();
  }
}

/** Groups items into lists of a size; the last may be shorter. */
export async function* inGroups<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  size: number,
): AsyncGenerator<Item[], void> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
