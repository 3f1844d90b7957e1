// Real connections: what in-process requests cannot show.
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Problem } from './schemas.js';
import { answerOf, HeldJudge, openSocketService } from './testing/service.js';

/** All that the server says until it closes the connection. */
function conversation(port: number, talk: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1', () => talk(socket));
    socket.setEncoding('utf8').on('data', (text: string) => void (heard += text));
    socket.on('close', () => resolve(heard)).on('error', reject);
  });
}

const request = (body: string, length = Buffer.byteLength(body)): string =>
  `POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('slow clients', () => {
  const limits = { headerMilliseconds: 150, requestMilliseconds: 200 };

  it.each([
    ['headers', 'POST /v1/predict HTTP/1.1\r\nHost:'],
    ['a body', request('{"text":', 100)],
  ])('that do not finish %s are told so and cut off', async (_, sent) => {
    const { port, app } = await openSocketService({ limits });
    const heard = await conversation(port, (socket) => socket.write(sent));
    expect(heard).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
    const problem = JSON.parse(heard.slice(heard.indexOf('\r\n\r\n'))) as Problem;
    expect(problem.detail).toBe(
      'The request expected headers within 150 ms, all of it within 200 ms, received less; send it faster',
    );
    await until(async () => (await app.inject({ url: '/metrics' })).payload.includes('drf_body_bytes 0'));
  });

  it('hold up nobody else', async () => {
    const { port, address } = await openSocketService({ limits: { requestMilliseconds: 2000 } });
    const slow = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    for (const socket of slow) socket.write(request('{"text":', 100));
    const answer = await fetch(`${address}/v1/predict`, { method: 'POST', body: '{"text":"a"}', headers: { 'content-type': 'application/json' } }); // prettier-ignore
    expect(await answer.json()).toEqual(answerOf({ text: 'a', image: null }));
    for (const socket of slow) socket.destroy();
  });
});

it('says of itself what methods it knows', async () => {
  const { port } = await openSocketService();
  const talk = (socket: Socket): unknown => socket.write('OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
  expect(await conversation(port, talk)).toMatch(/^HTTP\/1.1 204 .*\r\nallow: GET, HEAD, POST, OPTIONS\r\n/s);
}); // prettier-ignore

describe('bodies that were announced', () => {
  it('take no memory from others before they come', async () => {
    const { port, address, app } = await openSocketService({ limits: { bodyBytes: 1000, totalBodyBytes: 2000 } });
    const idle = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    for (const socket of idle) socket.write(request('', 1000));
    const open = 'nodejs_active_resources{type="TCPSocketWrap"} 20';
    await until(async () => (await app.inject({ url: '/metrics' })).payload.includes(open));
    const payload = JSON.stringify({ text: 'x'.repeat(900) });
    const answer = await fetch(`${address}/v1/predict`, { method: 'POST', body: payload, headers: { 'content-type': 'application/json' } }); // prettier-ignore
    expect(answer.status).toBe(200);
    for (const socket of idle) socket.destroy();
  });

  it('must keep coming', async () => {
    const { port, app } = await openSocketService({ limits: { bodyBytesPerSecond: 10 } });
    const trickle = async (socket: Socket, every: number, bytes: string): Promise<void> => {
      socket.write(request('', 1000));
      while (!socket.destroyed) {
        socket.write(bytes);
        await new Promise((resolve) => setTimeout(resolve, every));
      }
    };
    const slow = conversation(port, (socket) => void trickle(socket, 500, ' '));
    const form = conversation(port, (socket) => {
      socket.write('POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n');
    });
    for (const heard of [await slow, await form]) {
      expect(heard).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
      expect(heard).toContain('The body expected at least 10 bytes a second, over 5 seconds, received fewer; send it faster');
    }
    await until(async () => (await app.inject({ url: '/metrics' })).payload.includes('drf_body_bytes 0'));
  }); // prettier-ignore

  it('are answered before they have come when they find no place', async () => {
    const { port } = await openSocketService({ limits: { bodyBytes: 1000, totalBodyBytes: 1000 } });
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
    const head = 'POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const heard = await conversation(port, (socket) => socket.write(head + chunk(' '.repeat(600)) + chunk(' '.repeat(600))));
    expect(heard).toMatch(/^HTTP\/1.1 413 .*\r\nconnection: close\r\n/s);
  }); // prettier-ignore
});

describe('one client', () => {
  it('has no more than its share of the connections', async () => {
    const { port } = await openSocketService({ limits: { connections: 10, clientShare: 0.3 } });
    const open = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
    await Promise.all(open.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const further = conversation(port, (socket) => socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'));
    expect(await further.catch((error: NodeJS.ErrnoException) => error.code)).toMatch(/^(|ECONNRESET|EPIPE)$/);
    const other = await new Promise<string>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      socket.setEncoding('utf8').once('data', (text: string) => (socket.destroy(), resolve(text))).once('error', reject);
      socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    });
    expect(other).toMatch(/^HTTP\/1.1 200 OK/);
    open[0]?.destroy();
    const again = async (): Promise<string> =>
      conversation(port, (socket) => socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'));
    await until(async () => (await again().catch(() => '')).startsWith('HTTP/1.1 200 OK'));
    for (const socket of open) socket.destroy();
  }); // prettier-ignore
});

describe('what is no HTTP that it knows', () => {
  it.each([
    ['nonsense\r\n\r\n', /^HTTP\/1.1 400 Bad Request\r\n/],
    ['BREW /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', /^HTTP\/1.1 501 Not Implemented\r\n/],
    [
      'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
      /^HTTP\/1.1 400 Bad Request\r\n/,
    ],
    [
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1.1 431 Request Header Fields Too Large\r\n/,
    ],
  ])('is refused', async (sent, status) => {
    const { port } = await openSocketService();
    expect(await conversation(port, (socket) => socket.write(sent))).toMatch(status);
  });
});

describe('a client that leaves', () => {
  it('frees its place, and its post is not judged', async () => {
    const judge = new HeldJudge();
    const { port, app } = await openSocketService({ judge });
    const first = app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'first' } });
    await until(() => judge.seen.length === 1);
    const leaving = connect(port, '127.0.0.1', () => leaving.write(request('{"text":"left"}')));
    await until(async () => (await app.inject({ url: '/metrics' })).payload.includes('drf_waiting_posts 2'));
    leaving.destroy();
    const counted = 'drf_requests_total{route="/v1/predict",method="POST",status="499"} 1';
    await until(async () => (await app.inject({ url: '/metrics' })).payload.includes(counted));
    await judge.answerOne();
    expect((await first).statusCode).toBe(200);
    await until(async () => (await app.inject({ url: '/metrics' })).payload.includes('drf_waiting_posts 0'));
    expect(judge.seen.map(({ text }) => text)).toEqual(['first']);
  });
});

describe('shutdown', () => {
  it('answers what was accepted, refuses what comes then, and ends', async () => {
    const judge = new HeldJudge();
    const { port, app } = await openSocketService({ judge });
    const talk = conversation(port, (socket) => socket.write(request('{"text":"accepted"}')));
    const idle = conversation(port, (socket) => socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')); // kept alive
    await until(() => judge.seen.length === 1);
    let isClosed = false;
    const closing = app.close().then(() => (isClosed = true));
    await expect(conversation(port, () => undefined)).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    expect(await idle).toMatch(/^HTTP\/1.1 200 OK/); // and its connection was closed
    expect(isClosed).toBe(false);
    await judge.answerOne();
    const heard = await talk;
    expect(heard).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(JSON.parse(heard.slice(heard.indexOf('\r\n\r\n')))).toEqual(answerOf({ text: 'accepted', image: null }));
    await closing;
  });

  it('judges nothing that comes later on a connection that still waits for its answer', async () => {
    const judge = new HeldJudge();
    const { port, app } = await openSocketService({ judge });
    let connection: Socket | undefined;
    const both = conversation(port, (socket) => {
      connection = socket;
      socket.write(request('{"text":"accepted"}'));
    });
    await until(() => judge.seen.length === 1);
    const closing = app.close();
    connection?.write(request('{"text":"late"}'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await judge.answerOne();
    const heard = await both;
    expect(heard.match(/HTTP\/1.1 \d+|connection: \w+/g)).toEqual(['HTTP/1.1 200', 'connection: close']);
    expect(judge.seen).toHaveLength(1);
    await closing;
  });
});
