import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UnavailableError, type EngineName, type ErrorReport } from '@drf/tensor';
import { lastLines, type CommandResult } from '@drf/terminal';

/**
 * What Node gets as arguments to measure an engine in a process of its own, since native libraries that do not fit the
 * machine may end their process, and print what they like. From source or built, as this one runs.
 */
export function engineProbe(name: EngineName): readonly string[] {
  return [...process.execArgv, fileURLToPath(new URL(`./probe${extname(import.meta.url)}`, import.meta.url)), name];
}

/**
 * How fast an engine multiplies matrices, in GFLOP/s, as a process with {@link engineProbe} printed.
 * @throws UnavailableError with the reason that the process gave, or with its last words
 */
export function readEngineProbe(name: EngineName, { code, stdout, stderr }: CommandResult): number {
  const line = /^\{"(gflops|failure)".*\}$/m.exec(stdout)?.[0] ?? '{}';
  const { gflops, failure } = JSON.parse(line) as { readonly gflops?: number; readonly failure?: ErrorReport };
  if (gflops !== undefined && code === 0) return gflops;
  throw new UnavailableError(
    failure ?? {
      subject: `engine "${name}"`,
      expected: 'to compute in a process of its own',
      received: lastLines(stderr || `the process ended with ${code ?? 'a signal'}`, 1),
      remedy: "update the GPU's driver",
    },
  );
}
