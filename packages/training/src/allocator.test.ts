import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { keepFreedMemory } from './allocator.js';
import { loadExperiment } from './experiments.js';

const frozen = await loadExperiment('quickstart-smoke', {});
const tuned = { encoders: { ...frozen.encoders, trainable: { image: true, text: false } } };

/** Why the allocator cannot be told here; undefined where it can. */
async function hindrance(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'glibc is on Linux alone';
  try {
    const { load } = await import('koffi');
    load('libc.so.6').func('mallopt', 'int', ['int', 'int']);
    return undefined;
  } catch {
    return 'there is no koffi (an optional dependency), or the C library has no mallopt';
  }
}

describe('keepFreedMemory', () => {
  it('leaves the allocator alone where encoders are frozen, and where the environment speaks of it', async () => {
    expect(await keepFreedMemory(frozen, {})).toBe(false);
    for (const name of ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES', 'LD_PRELOAD']) {
      expect(await keepFreedMemory(tuned, { [name]: '1' })).toBe(false);
    }
  });

  // in a process of its own, whose memory it changes
  it('keeps what is freed, where an encoder is trained', { timeout: 60_000 }, async (context) => {
    const lacks = await hindrance();
    if (lacks !== undefined) return context.skip(lacks);
    const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `
      import koffi from 'koffi';
      const { keepFreedMemory } = await import(${url('allocator.ts')});
      const libc = koffi.load('libc.so.6');
      const calloc = libc.func('calloc', 'void *', ['size_t', 'size_t']), free = libc.func('free', 'void', ['void *']);
      const memset = libc.func('memset', 'void *', ['void *', 'int', 'size_t']);
      const BYTES = 2 ** 28;
      /** What stays resident of a block that is freed. */
      const left = () => {
        const before = process.memoryUsage.rss();
        const block = calloc(BYTES, 1);
        memset(block, 1, BYTES);
        free(block);
        return (process.memoryUsage.rss() - before) / BYTES;
      };
      const first = left();
      const told = await keepFreedMemory(${JSON.stringify(tuned)}, {});
      console.log(JSON.stringify({ told, first, second: left() }));
    `;
    const loader = new URL('../../../scripts/from-source.mjs', import.meta.url).href;
    const args = ['--conditions=source', '--import', loader, '--input-type=module', '--eval', program];
    const { told, first, second } = JSON.parse(
      execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: 'utf8' }),
    ) as { told: boolean; first: number; second: number };
    expect(told).toBe(true);
    expect(first).toBeLessThan(0.2);
    expect(second).toBeGreaterThan(0.8);
  });
});
