import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Latest } from './latest.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Work that ends when it is told to, and what became of it. */
function held() {
  const ends = new Map<string, { resolve(): void; reject(error: unknown): void; signal: AbortSignal }>();
  const done: string[] = [];
  const failed: unknown[] = [];
  const latest = new Latest<string, string>({
    delay: 100,
    work: (input, signal) =>
      new Promise((resolve, reject) => ends.set(input, { resolve: () => resolve(input), reject, signal })),
    onDone: (output) => void done.push(output),
    onFail: (error) => void failed.push(error),
  });
  return { ends, done, failed, latest };
}

describe('Latest', () => {
  it('works on the last of inputs that follow each other quickly', async () => {
    const { ends, done, latest } = held();
    for (const input of ['a', 'ab', 'abc']) {
      latest.submit(input);
      await vi.advanceTimersByTimeAsync(60);
    }
    await vi.advanceTimersByTimeAsync(100);
    ends.get('abc')?.resolve();
    await vi.runAllTimersAsync();
    expect([[...ends.keys()], done]).toEqual([['abc'], ['abc']]);
  });

  it('gives up work when newer comes, and never reports it, whichever ends first', async () => {
    const { ends, done, failed, latest } = held();
    for (const input of ['old', 'older fails', 'new']) {
      latest.submit(input, true);
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(['old', 'older fails', 'new'].map((input) => ends.get(input)?.signal.aborted)).toEqual([true, true, false]);
    ends.get('new')?.resolve();
    await vi.runAllTimersAsync();
    ends.get('old')?.resolve();
    ends.get('older fails')?.reject(new Error('too late'));
    await vi.runAllTimersAsync();
    expect([done, failed]).toEqual([['new'], []]);
  });

  it('reports what fails, and nothing once cancelled', async () => {
    const { ends, done, failed, latest } = held();
    latest.submit('wrong', true);
    await vi.advanceTimersByTimeAsync(1);
    ends.get('wrong')?.reject(new Error('broken'));
    await vi.runAllTimersAsync();
    expect(failed).toEqual([new Error('broken')]);
    latest.submit('never');
    latest.cancel();
    await vi.runAllTimersAsync();
    expect([done, ends.has('never')]).toEqual([[], false]);
  });
});
