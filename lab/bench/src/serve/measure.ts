import { openJudge, type Judge, type Judgment } from '@drf/judge';
import { decodeImage } from '@drf/preprocessing';
import { abuse, type AbuseReport } from './abuse.js';
import { askInTurn, runLoad, type LoadReport } from './load.js';
import { makePosts, type ClientPost } from './posts.js';
import { residentMebibytes, startServer, type ServerProcess } from './server-process.js';

export interface ServeReport {
  readonly loads: readonly (LoadReport & {
    /** The same posts judged without the service, just before. */
    readonly directPerSecond: number;
    /** Requests a second beside that. */
    readonly ratio: number;
  })[];
  /** Milliseconds of a post in each stage inside the service, on average over all. */
  readonly stages: Readonly<Record<'decode' | 'wait' | 'judge', number>>;
  /** Of the service's processes: after a tenth of the requests, after all of them, and the most that was seen. */
  readonly megabytes: { readonly early: number; readonly late: number; readonly peak: number; readonly growth: number };
  readonly abuse: AbuseReport | null;
  /** Of the service when it was told to end. */
  readonly exitCode: number | null;
}

export interface ServeOptions {
  readonly run: string;
  readonly clients: readonly number[];
  /** In all, in equal parts for each count of clients. */
  readonly requests: number;
  readonly posts: number;
  /** 0: none. */
  readonly abuseSeconds: number;
  /** Processes that serve. Default 1. */
  readonly workers?: number;
  readonly seed: number;
  readonly onProgress?: (done: number, note: string) => void;
}

/** The service under load, beside the same model called directly, and under abuse. */
export async function measureServe(options: ServeOptions): Promise<ServeReport> {
  const { run, clients, seed, workers = 1 } = options;
  const posts = await makePosts(options.posts, seed);
  const judge = await openJudge(run);
  const server = await startServer([run, '--request-milliseconds', '5000'], workers);
  let exitCode: number | null = null;
  try {
    const { judgments } = await judgeDirectly(judge, posts); // warms up, too
    const requests = Math.ceil(options.requests / clients.length);
    const send = askInTurn(posts, judgments);
    const memory = new MemoryWatch(server, Math.ceil(options.requests / 10));
    const loads: ServeReport['loads'][number][] = [];
    for (const count of clients) {
      const { postsPerSecond: directPerSecond } = await judgeDirectly(judge, posts);
      const before = loads.length * requests;
      const onDone = (done: number): void => {
        memory.at(before + done);
        options.onProgress?.(before + done, `${count} clients`);
      };
      const load = await runLoad({ address: server.address, send, clients: count, requests, onDone });
      loads.push({ ...load, directPerSecond, ratio: load.requestsPerSecond / directPerSecond });
    }
    const megabytes = await memory.report();
    const metrics = await server.metrics();
    const stage = (name: string): number => (1000 * (metrics.get(`drf_stage_seconds_sum{stage="${name}"}`) ?? NaN)) / (metrics.get(`drf_stage_seconds_count{stage="${name}"}`) ?? NaN); // prettier-ignore
    const abused = options.abuseSeconds === 0 ? null : await abuse({ server, posts, judgments, seconds: options.abuseSeconds, seed }); // prettier-ignore
    exitCode = await server.stop();
    const stages = { decode: stage('decode'), wait: stage('wait'), judge: stage('judge') };
    return { loads, stages, megabytes, abuse: abused, exitCode };
  } finally {
    if (exitCode === null) await server.stop().catch(() => undefined);
    await judge.close();
  }
}

/** What the service must answer, and how long the same takes without it: decoding and judging, one post after the other. */
async function judgeDirectly(
  judge: Judge,
  posts: readonly ClientPost[],
): Promise<{ readonly judgments: readonly Judgment[]; readonly postsPerSecond: number }> {
  const side = judge.info.imageSize;
  const decoding = { width: side, height: side, fit: 'stretch', maximumPixels: 40_000_000 } as const;
  const judgments: Judgment[] = [];
  const started = performance.now();
  for (const { text, image } of posts) {
    const pixels = image === null ? null : await decodeImage('The post', image, decoding);
    judgments.push(await judge.judge({ text, image: pixels }));
  }
  return { judgments, postsPerSecond: (1000 * posts.length) / (performance.now() - started) };
}

/** Asks for the service's memory now and then, never twice at once. */
class MemoryWatch {
  private early = NaN;
  private peak = 0;
  private asking: Promise<void> | null = null;

  constructor(
    private readonly server: ServerProcess,
    private readonly earlyAt: number,
  ) {}

  at(done: number): void {
    const isEarly = done === this.earlyAt;
    if (!isEarly && done % 100 !== 0) return;
    if (isEarly)
      this.asking = (this.asking ?? Promise.resolve()).then(() => this.read()).then((now) => void (this.early = now)); // prettier-ignore
    else this.asking ??= this.read().then(() => void (this.asking = null));
  }

  async report(): Promise<ServeReport['megabytes']> {
    await this.asking;
    const late = await this.read();
    return { early: this.early, late, peak: this.peak, growth: late / this.early - 1 };
  }

  private async read(): Promise<number> {
    const now = await residentMebibytes(this.server);
    this.peak = Math.max(this.peak, now);
    return now;
  }
}
