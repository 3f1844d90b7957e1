/** A map of so many entries at most: one more takes the place of the one that was used longest ago. */
export class RecentMap<Key, Value> {
  private readonly entries = new Map<Key, Value>();

  /** @param most entries, at least 1 */
  constructor(private readonly most: number) {}

  get size(): number {
    return this.entries.size;
  }

  /** The value of a key, which is now the last one used. */
  get(key: Key): Value | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  /** Sets a key's value, and returns the one that had to go for it. */
  set(key: Key, value: Value): Value | undefined {
    this.entries.delete(key);
    this.entries.set(key, value); // a Map keeps the order in which keys came
    if (this.entries.size <= this.most) return undefined;
    for (const [oldest, dropped] of this.entries) {
      this.entries.delete(oldest);
      return dropped;
    }
    return undefined;
  }

  /** Removes a key if that is its value. */
  delete(key: Key, value: Value): void {
    if (this.entries.get(key) === value) this.entries.delete(key);
  }

  /** Removes all entries, and returns their values. */
  clear(): Value[] {
    const values = [...this.entries.values()];
    this.entries.clear();
    return values;
  }
}
