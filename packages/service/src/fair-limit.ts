/**
 * Runs so many tasks at once. Those that wait are taken from one client after the other, in order for each: a client
 * that asks for much waits for itself, and nobody else waits for more than one task of each other client.
 */
export class FairLimit {
  /** By client, in the order of their turns. */
  private readonly waiting = new Map<string, (() => void)[]>();
  private running = 0;

  constructor(private readonly concurrency: number) {}

  async run<Value>(client: string, task: () => Promise<Value>): Promise<Value> {
    if (this.running < this.concurrency) this.running += 1;
    else await this.turn(client);
    try {
      return await task();
    } finally {
      this.next();
    }
  }

  private turn(client: string): Promise<void> {
    return new Promise((resolve) => {
      const own = this.waiting.get(client);
      if (own === undefined) this.waiting.set(client, [resolve]);
      else own.push(resolve);
    });
  }

  /** Hands the place of a task that has ended to the next client, who then stands behind all others. */
  private next(): void {
    const [first] = this.waiting;
    if (first === undefined) return void (this.running -= 1);
    const [client, own] = first;
    const start = own.shift();
    this.waiting.delete(client);
    if (own.length > 0) this.waiting.set(client, own);
    start?.();
  }
}
