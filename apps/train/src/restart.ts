/** The system's calls that replace what a process runs. */
interface Calls {
  readonly execve: (path: string, words: readonly (string | null)[], variables: readonly (string | null)[]) => number;
  readonly fcntl: (descriptor: number, command: number, type: 'int', value: number) => number;
}

/** Of fcntl: set flags of a descriptor, and that of being closed when another program takes its process over. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

const STREAMS = [0, 1, 2];

/** Undefined without koffi, which is an optional dependency, and where there is no glibc. */
async function findCalls(): Promise<Calls | undefined> {
  try {
    const { load } = await import('koffi');
    const library = load('libc.so.6');
    return {
      execve: library.func('execve', 'int', ['const char *', 'const char **', 'const char **']) as Calls['execve'],
      fcntl: library.func('int fcntl(int descriptor, int command, ...)') as Calls['fcntl'],
    };
  } catch {
    return undefined;
  }
}

/**
 * Runs this process's program anew with more environment variables, in its place: same process number, same streams. For
 * what the C library reads only as a process starts; before anything else is done. Comes back where it cannot be done: on
 * systems other than Linux with glibc, without the package koffi, and in a process that another one talks to by a channel of
 * Node's, which would be lost, as is every other descriptor but those of the streams.
 */
export async function restartWith(variables: Readonly<Record<string, string>>): Promise<void> {
  if (process.platform !== 'linux' || process.connected === true) return;
  const calls = await findCalls();
  if (calls === undefined) return;
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const environment = Object.entries({ ...process.env, ...variables }).map(([name, value]) => `${name}=${value}`);
  // Node has them closed when another program begins
  for (const stream of STREAMS) calls.fcntl(stream, F_SETFD, 'int', 0);
  calls.execve(process.execPath, [...words, null], [...environment, null]);
  for (const stream of STREAMS) calls.fcntl(stream, F_SETFD, 'int', FD_CLOEXEC);
}
