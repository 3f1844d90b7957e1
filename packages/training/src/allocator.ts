import { trainsEncoders, type TrainedModalities } from '@drf/experiment';

/** Numbers of glibc's `mallopt`, and what they are set to. */
const SETTINGS = [
  [-8, 1], // M_ARENA_MAX: one arena for all threads that begin from now on
  [-4, 0], // M_MMAP_MAX: no block is mapped by itself
  [-1, -1], // M_TRIM_THRESHOLD: nothing is given back
] as const;

/** Variables that tell glibc's allocator, or another one in its place, what to do. */
const OF_ALLOCATORS = /^(MALLOC_\w+|GLIBC_TUNABLES|LD_PRELOAD)$/;

/**
 * Has this process keep memory that is freed, in one arena, where the experiment trains encoders. Their steps ask for large
 * values, and free them, in the same sizes again and again. glibc would give the largest back to the system each time, and has an
 * arena for each thread, whose pieces do not fit the others. Such a step then takes less time and memory. For processes that
 * are there to train, and to be called before threads begin: those that have begun keep their arenas. Does nothing on systems
 * without glibc, without the package koffi (an optional dependency), and where the environment says how memory is allocated.
 * @returns whether the allocator was told
 */
export async function keepFreedMemory(
  config: TrainedModalities,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<boolean> {
  if (process.platform !== 'linux' || !trainsEncoders(config)) return false;
  if (Object.keys(environment).some((name) => OF_ALLOCATORS.test(name))) return false;
  try {
    const { load } = await import('koffi');
    const mallopt = load('libc.so.6').func('mallopt', 'int', ['int', 'int']) as (name: number, value: number) => number;
    return SETTINGS.every(([name, value]) => mallopt(name, value) === 1);
  } catch {
    return false; // no koffi, or a C library without such a function
  }
}
