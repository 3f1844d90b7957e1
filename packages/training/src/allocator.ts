/**
 * Steps that train encoders ask for large values, and free them, in the same sizes again and again. glibc gives the largest
 * back to the system each time, and has an arena for each thread, whose pieces do not fit the others: told to keep all in one
 * arena, such a step takes less time and less memory. Frozen encoders, whose sessions keep their memory, would gain nothing.
 */
const KEEP_IN_ONE_ARENA = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 46),
} as const;

/** Variables that tell glibc's allocator, or another one in its place, what to do. */
const OF_ALLOCATORS = /^(MALLOC_\w+|GLIBC_TUNABLES|LD_PRELOAD)$/;

/**
 * Environment variables that a process wants from its start to train encoders; none on systems other than Linux, and where
 * the environment already says how memory is allocated.
 */
export function allocatorVariables(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Readonly<Record<string, string>> {
  const isSaid = Object.keys(environment).some((name) => OF_ALLOCATORS.test(name));
  return platform === 'linux' && !isSaid ? KEEP_IN_ONE_ARENA : {};
}
