import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { request } from 'undici';
import { UnavailableError } from '@drf/tensor';
import { lastLines } from '@drf/terminal';
import { watchMemory } from '../measure.js';
import { jsonOf, runLoad, type Outcomes } from '../serve/load.js';
import type { ClientPost } from '../serve/posts.js';
import { startServer, type ServerProcess } from '../serve/server-process.js';
import { judgmentAgreement, pairsOf, type LabeledPost } from './agreement.js';
import { PEER, peerEnvironment } from './python.js';
import type { Setting, Side, Task } from './turns.js';
import { PROGRAM, type Workplace } from './workplace.js';

/** What both services have. */
type Service = Pick<ServerProcess, 'address' | 'pid' | 'stop'>;

export interface ServeTaskOptions {
  readonly python: string;
  readonly cores: number;
  readonly clients: number;
  readonly requests: number;
}

const MS_FOR_START = 120_000;

/** The service in Python, in a process of its own. @throws UnavailableError with what it printed when it does not come up */
async function startPeer(python: string, models: string, setting: Setting): Promise<Service> {
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const words = ['-m', 'uvicorn', 'service:app', '--app-dir', PEER, '--port', String(port), '--workers', String(setting['workers']), '--log-level', 'warning', '--no-access-log']; // prettier-ignore
  const environment = { ...peerEnvironment(setting), DRF_PEER_MODELS: models, DRF_PEER_SETTING: JSON.stringify({ backend: 'onnxruntime', ...setting }) }; // prettier-ignore
  const child = spawn(python, words, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed = (printed + text).slice(-10_000)));
  const until = performance.now() + MS_FOR_START;
  const answers = (): Promise<boolean> => request(`${address}/healthz`).then(({ body }) => body.dump().then(() => true), () => false); // prettier-ignore
  while (!(await answers())) {
    if (child.exitCode !== null || performance.now() > until) {
      child.kill();
      throw new UnavailableError({ subject: 'The service in Python', expected: 'to come up', received: lastLines(printed), remedy: `try it by itself, in ${PEER}` }); // prettier-ignore
    }
    await setTimeout(100);
  }
  const stop = async (): Promise<number | null> => {
    const over = once(child, 'exit');
    child.kill('SIGTERM');
    await over;
    return child.exitCode;
  };
  return { address, pid: child.pid as number, stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks for posts in turn, as JSON, and keeps the answer to each. */
function askAndKeep(posts: readonly ClientPost[], answers: Map<string, LabeledPost>) {
  return async (connection: Dispatcher, number: number): Promise<keyof Outcomes> => {
    const place = number % posts.length;
    try {
      const { statusCode, body } = await connection.request({ method: 'POST', path: '/v1/predict', body: jsonOf(posts[place] as ClientPost), headers: { 'content-type': 'application/json' } }); // prettier-ignore
      const answer = (await body.json()) as LabeledPost;
      if (statusCode !== 200) return 'refused';
      answers.set(String(place), answer);
      return 'right';
    } catch {
      return 'lost';
    }
  };
}

/** Requests of several clients at once, to a service that is started for them. */
export function serveTask(place: Workplace, { python, cores, clients, requests }: ServeTaskOptions): Task {
  const { clientPosts, run, models } = place;
  const name = `serve, ${clients} clients`;
  const side = (start: (setting: Setting) => Promise<Service>, answers: Map<string, LabeledPost>): Side['run'] => {
    return async (setting, size) => {
      const service = await start(setting);
      const memory = watchMemory('Pss', [service.pid]);
      const send = askAndKeep(clientPosts, answers);
      const load = (count: number) => runLoad({ address: service.address, send, clients, requests: count });
      try {
        await load(4 * clients); // every worker has opened what it needs
        const report = await load(size === 'all' ? requests : Math.max(4 * clients, Math.ceil(requests / 4)));
        const { seconds, milliseconds: latency, right: posts, refused, lost } = report;
        if (refused + lost > 0) {
          throw new UnavailableError({ subject: name, expected: `${report.requests} answers`, received: `${posts}; ${refused} refused, ${lost} lost`, remedy: 'run it on a quieter machine, or with fewer --clients' }); // prettier-ignore
        }
        return { posts, seconds, cpuSeconds: NaN, peakMegabytes: memory.stop(), latency };
      } finally {
        memory.stop();
        await service.stop();
      }
    };
  };
  const [own, other] = [new Map<string, LabeledPost>(), new Map<string, LabeledPost>()];
  return {
    name,
    starts: false,
    ours: {
      setting: { workers: 1 },
      stages: [() => [{ workers: cores }]],
      run: side(({ workers }) => startServer([run], workers as number, [PROGRAM, 'serve']), own),
    },
    peer: {
      setting: { workers: 1, threads: cores, policy: 'PASSIVE' },
      stages: [
        () => [
          { workers: cores, threads: 1, policy: 'PASSIVE' },
          { workers: 1, threads: 1, policy: 'PASSIVE' },
        ],
        (best) => [{ ...best, policy: 'ACTIVE' }],
      ],
      run: side((setting) => startPeer(python, models, setting), other),
    },
    agreement: async () => judgmentAgreement(pairsOf(own, other)),
  };
}
