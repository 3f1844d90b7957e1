import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { lastLines } from '@drf/terminal';
import { UnavailableError } from '@drf/tensor';
import { request } from 'undici';

/** The service in a process of its own, so that its memory is its alone. */
export interface ServerProcess {
  readonly address: string;
  readonly pid: number;
  /** Asks for `/metrics`: by name and labels as they stand there. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** Tells it to end (SIGTERM), and gives its exit code. */
  stop(): Promise<number | null>;
}

/** The program beside this one, from source or built, as this one runs. */
function program(): string {
  const ending = import.meta.url.endsWith('.ts') ? 'src/main.ts' : 'dist/main.js';
  return fileURLToPath(new URL(`../../../../apps/serve/${ending}`, import.meta.url));
}

/**
 * @param command what node runs; by default the program beside this one
 * @throws UnavailableError with what it printed when it does not come up
 */
export async function startServer(
  args: readonly string[],
  workers = 1,
  command: readonly string[] = [...process.execArgv, program()],
): Promise<ServerProcess> {
  const options = ['--workers', String(workers), '--port', '0', '--no-page', '--log-level', 'error'];
  const child = spawn(process.execPath, [...command, ...args, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  const address = await addressOf(child);
  const metrics = async (): ReturnType<ServerProcess['metrics']> => parseMetrics(await (await request(`${address}/metrics`)).body.text()); // prettier-ignore
  while (child.exitCode === null && ((await metrics()).get('drf_judge_ready') ?? 0) < workers) await setTimeout(100);
  return {
    address,
    pid: child.pid as number,
    metrics,
    stop: async () => {
      const over = once(child, 'exit');
      child.kill('SIGTERM');
      await over;
      return child.exitCode;
    },
  };
}

async function addressOf(child: ChildProcess): Promise<string> {
  let printed = '';
  return new Promise((resolve, reject) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-10_000);
      const found = /Listening on (http:\S+)\. /.exec(printed.replace(' (no page)', ''))?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => {
      const received = `exit code ${code}: ${lastLines(printed)}`;
      reject(new UnavailableError({ subject: 'The service', expected: 'to come up', received, remedy: 'try it by itself: pnpm serve RUN' })); // prettier-ignore
    });
  });
}

function parseMetrics(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

/** Of all processes: those that serve, those that judge, and the one that watches over several, in MiB. */
export async function residentMebibytes(server: ServerProcess): Promise<number> {
  const each = [...(await server.metrics())].filter(([name]) => name.startsWith('drf_process_resident_memory_bytes{'));
  return each.reduce((sum, [, bytes]) => sum + bytes, 0) / 2 ** 20;
}
