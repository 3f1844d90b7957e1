import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Client, request } from 'undici';
import type { Judgment } from '@drf/judge';
import { createRandom, type Random } from '@drf/tensor';
import { ask, jsonOf, summary, type LoadReport, type Outcomes } from './load.js';
import type { ClientPost } from './posts.js';
import { residentMebibytes, type ServerProcess } from './server-process.js';

export interface AbuseReport {
  readonly seconds: number;
  /** Of honest clients meanwhile. A refused post (503, 429: the line or the memory for bodies is full) is sent again. */
  readonly honest: Outcomes;
  /** How the others' requests were answered: by kind, then by status; "cut" for a closed connection. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Of `GET /healthz` meanwhile. */
  readonly healthMilliseconds: LoadReport['milliseconds'];
  readonly megabytes: { readonly before: number; readonly peak: number; readonly after: number };
}

export interface AbuseOptions {
  readonly server: ServerProcess;
  readonly posts: readonly ClientPost[];
  readonly judgments: readonly Judgment[];
  readonly seconds: number;
  readonly seed: number;
}

const HONEST = 4;
const SLOW = 20;
/** More than fit into the memory for bodies, if what they claim counted. */
const IDLE = 20;

/** Slow and idle clients, huge bodies, broken images, deep JSON and clients that leave, all at once, beside honest ones. */
export async function abuse(options: AbuseOptions): Promise<AbuseReport> {
  const { server, posts, judgments, seconds } = options;
  const random = createRandom(options.seed).fork('abuse');
  const until = performance.now() + 1000 * seconds;
  const isOver = (): boolean => performance.now() >= until;
  const honest: Outcomes = { right: 0, wrong: 0, refused: 0, lost: 0 };
  const answers: Record<string, Record<string, number>> = {};
  const count = (kind: string, answer: number | string): void => {
    const row = (answers[kind] ??= {});
    row[answer] = (row[answer] ?? 0) + 1;
  };
  const before = await residentMebibytes(server);
  let peak = before;

  const honestClient = async (first: number): Promise<void> => {
    const connection = new Client(server.address);
    for (let number = first; !isOver();) {
      const outcome = await ask(connection, posts[number % posts.length] as ClientPost, judgments[number % posts.length] as Judgment, number % 2 === 1); // prettier-ignore
      honest[outcome] += 1;
      if (outcome === 'refused') await sleep(200);
      else number += HONEST;
    }
    await connection.close();
  };
  const bodies = badBodies(posts, random);
  const sendBadBodies = async (kind: string, make: () => string | Buffer): Promise<void> => {
    while (!isOver()) {
      count(kind, await statusOf(server.address, make()));
      await sleep(20);
    }
  };
  const watch = async (): Promise<void> => {
    while (!isOver()) {
      peak = Math.max(peak, await residentMebibytes(server));
      await sleep(100);
    }
  };
  const endHealth = watchHealth(server.address);
  await Promise.all([
    watch(),
    ...Array.from({ length: IDLE }, () => idleClient(server.address, isOver, count)),
    ...Array.from({ length: HONEST }, (_, i) => honestClient(i)),
    ...Object.entries(bodies).map(([kind, make]) => sendBadBodies(kind, make)),
    ...Array.from({ length: SLOW }, (_, i) => slowClient(server.address, i % 2 === 0, isOver, count)),
    ...Array.from({ length: 4 }, (_, i) =>
      leavingClient(server.address, posts, random.fork(`leaving ${i}`), isOver, count),
    ),
  ]);
  const health = await endHealth();
  const after = await residentMebibytes(server);
  return {
    seconds,
    honest,
    answers,
    healthMilliseconds: summary(health),
    megabytes: { before, peak: Math.max(peak, after), after },
  };
}

/** Asks one time after the other, until it is told to end. Plain JavaScript, so that it needs no loader. */
const HEALTH_SCRIPT = `
  const { get } = require('node:http');
  const { parentPort, workerData } = require('node:worker_threads');
  const times = [];
  let isOver = false;
  parentPort.once('message', () => { isOver = true; });
  const ask = () => {
    if (isOver) return parentPort.postMessage(times);
    const askedAt = performance.now();
    const done = () => { times.push(performance.now() - askedAt); setTimeout(ask, 50); };
    get(workerData + '/healthz', (response) => response.resume().once('end', done)).once('error', done);
  };
  ask();
`;

/**
 * Measures `GET /healthz` in a thread of its own, since this one is busy with its clients.
 * @returns ends it, and gives the milliseconds of each request
 */
function watchHealth(address: string): () => Promise<Float64Array> {
  const worker = new Worker(HEALTH_SCRIPT, { eval: true, workerData: address, execArgv: [] });
  return async () => {
    const answered = once(worker, 'message');
    worker.postMessage('end');
    const [times] = (await answered) as [number[]];
    await worker.terminate();
    return Float64Array.from(times);
  };
}

/** Bodies that are refused, by kind. */
function badBodies(posts: readonly ClientPost[], random: Random): Readonly<Record<string, () => string | Buffer>> {
  const image = posts.find((post) => post.image !== null)?.image as Buffer;
  const json = (value: Buffer): string => JSON.stringify({ image: value.toString('base64') });
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.integer(256)));
  return {
    'cut-off image': () => json(image.subarray(0, Math.floor(image.length * random.uniform(0.1, 0.9)))),
    'no image': () => json(noise(2000)),
    'image of 50,000 × 50,000': () => json(claimingMore(image)),
    'ten megabytes of text': () => `{"text":"${'a'.repeat(10_000_000)}"}`,
    'body over the limit': () => Buffer.alloc(20_000_000, 0x20),
    'deep JSON': () => `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`,
    'broken JSON': () => '{"text":',
  };
}

/** A JPEG whose header (SOF0, SOF2) claims 50,000 × 50,000 pixels. */
function claimingMore(jpeg: Buffer): Buffer {
  const bytes = Buffer.from(jpeg);
  const start = Math.max(bytes.indexOf('ffc0', 0, 'hex'), bytes.indexOf('ffc2', 0, 'hex'));
  bytes.writeUInt16BE(50_000, start + 5);
  bytes.writeUInt16BE(50_000, start + 7);
  return bytes;
}

async function statusOf(address: string, body: string | Buffer): Promise<number | string> {
  try {
    const headers = { 'content-type': 'application/json' };
    const response = await request(`${address}/v1/predict`, { method: 'POST', body, headers });
    await response.body.dump();
    return response.statusCode;
  } catch {
    return 'cut';
  }
}

type Count = (kind: string, answer: number | string) => void;

function open(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => resolve(socket));
    socket.on('error', () => resolve(socket)).on('close', () => undefined);
  });
}

/** Sends a byte now and then, of its headers or of a body that it says is large. */
async function slowClient(address: string, ofBody: boolean, isOver: () => boolean, count: Count): Promise<void> {
  const kind = ofBody ? 'slow body' : 'slow headers';
  while (!isOver()) {
    const socket = await open(address);
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => void (heard += text));
    socket.write('POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n');
    if (ofBody) socket.write('Content-Length: 8000000\r\n\r\n');
    while (!isOver() && !socket.destroyed && heard === '') {
      socket.write(ofBody ? ' ' : 'X');
      await sleep(100);
    }
    count(kind, /^HTTP\/1.1 (\d+)/.exec(heard)?.[1] ?? (isOver() ? 'still open' : 'cut'));
    socket.destroy();
  }
}

/** Says that it sends the largest body, and sends nothing. */
async function idleClient(address: string, isOver: () => boolean, count: Count): Promise<void> {
  while (!isOver()) {
    const socket = await open(address);
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => void (heard += text));
    socket.write('POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 12582912\r\n\r\n'); // prettier-ignore
    while (!isOver() && !socket.destroyed && heard === '') await sleep(100);
    count('idle body', /^HTTP\/1.1 (\d+)/.exec(heard)?.[1] ?? (isOver() ? 'still open' : 'cut'));
    socket.destroy();
  }
}

/** Sends good posts, whole or not, and does not wait for the answer. */
async function leavingClient(
  address: string,
  posts: readonly ClientPost[],
  random: Random,
  isOver: () => boolean,
  count: Count,
): Promise<void> {
  while (!isOver()) {
    const body = jsonOf(posts[random.integer(posts.length)] as ClientPost);
    const sent = random.integer(2) === 0 ? body : body.slice(0, random.integer(body.length));
    const socket = await open(address);
    const head = `POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    socket.write(`${head}\r\n\r\n${sent}`);
    await sleep(random.integer(60));
    socket.destroy();
    count('left before the answer', 'cut');
    await sleep(10);
  }
}
