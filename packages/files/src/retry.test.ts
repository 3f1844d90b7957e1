import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readText, RefusedError, retryAfter, retryRequest, withAnswer } from './retry.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine that gives these answers one after the other, the last again and again. */
async function serve(...answers: Answer[]): Promise<{ readonly url: string; readonly times: number[] }> {
  const times: number[] = [];
  const server = createServer((request, response) => {
    times.push(performance.now());
    (answers[Math.min(times.length, answers.length) - 1] as Answer)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, times };
}

const good: Answer = (_, response) => void response.end('good');
const refuse =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end('no');

const text = (url: string, patienceMs = 5000) =>
  withAnswer(url, { patienceMs }, (response) => readText(response, 1000));

describe('retryRequest', () => {
  it.each([429, 503])('waits as long as Retry-After says, in seconds (status %i)', async (status) => {
    const { url, times } = await serve(refuse(status, { 'retry-after': '1' }), good);
    expect(await retryRequest(() => text(url), { delayMs: 1 })).toBe('good');
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(990);
  });

  it('waits until the date that Retry-After says', async () => {
    const date = new Date(Date.now() + 2000).toUTCString(); // whole seconds: between one and two
    const { url } = await serve(refuse(503, { 'retry-after': date }), good);
    expect(await retryRequest(() => text(url), { delayMs: 1 })).toBe('good');
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(date));
  });

  it('gives up at once when it would have to wait too long, and says for how long', async () => {
    const { url, times } = await serve(refuse(429, { 'retry-after': '3600' }), good);
    await expect(retryRequest(() => text(url))).rejects.toThrow('HTTP status 429, to be asked again in 3600 s');
    expect(times).toHaveLength(1);
  });

  it('gives up at once on a refusal that does not pass, and after some attempts on one that might', async () => {
    const forbidden = await serve(refuse(403));
    await expect(retryRequest(() => text(forbidden.url), { delayMs: 1 })).rejects.toBeInstanceOf(RefusedError);
    expect(forbidden.times).toHaveLength(1);
    const broken = await serve(refuse(500));
    await expect(retryRequest(() => text(broken.url), { delayMs: 1, attempts: 3 })).rejects.toThrow('HTTP status 500');
    expect(broken.times).toHaveLength(3);
  });

  it('takes up a connection that broke, again and again as long as it gets on', async () => {
    const cut: Answer = (request) => void request.socket.destroy();
    const { url, times } = await serve(cut, cut, cut, cut, cut, good);
    expect(await retryRequest(() => text(url), { delayMs: 1, attempts: 2, gotOn: () => true })).toBe('good');
    expect(times).toHaveLength(6);
    const dead = await serve(cut);
    await expect(retryRequest(() => text(dead.url), { delayMs: 1, attempts: 2 })).rejects.toThrow('fetch failed');
    expect(dead.times).toHaveLength(2);
  });

  it('makes no further attempt where its caller knows better, and stops when it is told to', async () => {
    const { url, times } = await serve(refuse(500));
    await expect(
      retryRequest(
        () => text(url),
        { delayMs: 1 },
        () => true,
      ),
    ).rejects.toThrow('500');
    expect(times).toHaveLength(1);
    const stop = new AbortController();
    const attempt = retryRequest(() => text(url), { delayMs: 60_000, signal: stop.signal });
    setTimeout(() => stop.abort(new Error('told to')), 50);
    await expect(attempt).rejects.toThrow();
    expect(times.length).toBeLessThanOrEqual(2);
  });
});

describe('withAnswer', () => {
  it('counts a connection without bytes as lost', async () => {
    const { url } = await serve((_, response) => void response.writeHead(200).write('a'));
    await expect(text(url, 50)).rejects.toThrow('no byte in 0.05 s');
  });

  it('reads no more than it may', async () => {
    const { url } = await serve((_, response) => void response.end('x'.repeat(2000)));
    await expect(text(url)).rejects.toThrow('longer than 1000 bytes');
  });
});

describe('retryAfter', () => {
  it('reads seconds and dates, and nothing else', () => {
    expect(retryAfter('120')).toBe(120_000);
    expect(retryAfter('Wed, 21 Oct 2015 07:28:10 GMT', Date.UTC(2015, 9, 21, 7, 28, 0))).toBe(10_000);
    expect(retryAfter('Wed, 21 Oct 2015 07:28:00 GMT')).toBe(0);
    for (const header of [null, '', 'soon', '-5', '1.5']) expect(retryAfter(header)).toBeUndefined();
  });
});
