import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** A program of the last build, since some twenty of them start one after the other. */
export function start(program: string, args: readonly string[]): Started {
  const child = spawn(process.execPath, [program, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on('exit', (code) => resolve({ code, output }));
  });
  return { child, ended };
}

/** The program that fills a grid of the smoke experiment below a folder, its features in `cache` there. */
export function startGrid(
  folder: string,
  narrowed: readonly string[],
  out: string,
  grid = 'table-3',
  cache = 'cache',
): Started {
  const places = ['--out', join(folder, out), '--cache', join(folder, cache)];
  return start('apps/eval/dist/main.js', ['grid', grid, '--experiments', 'quickstart-smoke', ...narrowed, ...places, '--json']); // prettier-ignore
}
