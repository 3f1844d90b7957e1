import { describe, expect, it } from 'vitest';
import { allocatorVariables } from './allocator.js';

describe('allocatorVariables', () => {
  it('keeps memory in one arena, on Linux', () => {
    const names = ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_MAX_', 'MALLOC_TRIM_THRESHOLD_'];
    expect(Object.keys(allocatorVariables({ PATH: '/bin' }, 'linux'))).toEqual(names);
    expect(allocatorVariables({}, 'darwin')).toEqual({});
    expect(allocatorVariables({}, 'win32')).toEqual({});
  });

  it('leaves an environment alone that says how memory is allocated, its own included', () => {
    for (const name of ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES', 'LD_PRELOAD']) {
      expect(allocatorVariables({ [name]: '1' }, 'linux')).toEqual({});
    }
    expect(allocatorVariables({ ...allocatorVariables({}, 'linux') }, 'linux')).toEqual({});
  });
});
