import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DataError, UnavailableError } from '@drf/tensor';
import { download } from './download.js';
import { useFolder } from './testing/fake-tools.js';

const folder = useFolder();
const CONTENT = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
const URL_OF_FILE = 'https://files.example/a.whl';

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

interface Server {
  readonly get: typeof fetch;
  readonly asked: (string | null)[];
}

/** When a connection breaks: after so many bytes, and not before they are in a file. */
interface Break {
  readonly after: number;
  readonly part: string;
}

/** Serves the content, by ranges unless told otherwise. */
function server({ ranges = true, breaks }: { ranges?: boolean; breaks?: Break } = {}): Server {
  const asked: (string | null)[] = [];
  const get: typeof fetch = async (_url, options) => {
    const range = new Headers(options?.headers).get('range');
    asked.push(range);
    const from = range === null || !ranges ? 0 : Number(/\d+/.exec(range)?.[0]);
    const total = CONTENT.length;
    if (from >= total) return new Response('', { status: 416, headers: { 'content-range': `bytes */${total}` } });
    const rest = CONTENT.subarray(from);
    const sent = rest.subarray(0, breaks?.after);
    let isCanceled = false;
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(sent);
        if (breaks === undefined || sent.length === rest.length) return controller.close();
        // an error throws away what waits to be read: it comes when all that was sent has been written
        while (!isCanceled && (await sizeOf(breaks.part)) < from + sent.length) await wait(1);
        controller.error(new Error('socket hang up'));
      },
      cancel() {
        isCanceled = true;
      },
    });
    const headers: Record<string, string> = { 'content-length': String(rest.length) };
    if (from > 0) headers['content-range'] = `bytes ${from}-${total - 1}/${total}`;
    return new Response(body, { status: from > 0 ? 206 : 200, headers });
  };
  return { get, asked };
}

const options = { sha256: SHA256, silent: true, pause: 1 };

describe('download', () => {
  it('fetches a file and checks its hash', async () => {
    const { get, asked } = server();
    const target = join(folder(), 'new', 'a.whl');
    await download(URL_OF_FILE, target, { ...options, get });
    expect(await readFile(target)).toEqual(CONTENT);
    expect(existsSync(`${target}.part`)).toBe(false);
    await download(URL_OF_FILE, target, { ...options, get }); // it is there
    expect(asked).toEqual([null]);
  });

  it('goes on after each lost connection, and after the process was stopped', async () => {
    const target = join(folder(), 'a.whl');
    await writeFile(`${target}.part`, CONTENT.subarray(0, 700));
    const { get, asked } = server({ breaks: { after: 1500, part: `${target}.part` } });
    await download(URL_OF_FILE, target, { ...options, get });
    expect(asked).toEqual(['bytes=700-', 'bytes=2200-', 'bytes=3700-']);
    expect(await readFile(target)).toEqual(CONTENT);
  });

  it('starts again where a server knows no ranges', async () => {
    const target = join(folder(), 'a.whl');
    await writeFile(`${target}.part`, 'something else');
    await download(URL_OF_FILE, target, { ...options, get: server({ ranges: false }).get });
    expect(await readFile(target)).toEqual(CONTENT);
  });

  it('knows a part that is whole, and throws away one that is too long', async () => {
    const target = join(folder(), 'a.whl');
    await writeFile(`${target}.part`, CONTENT);
    await download(URL_OF_FILE, target, { ...options, get: server().get });
    expect(await readFile(target)).toEqual(CONTENT);
    const another = join(folder(), 'b.whl');
    await writeFile(`${another}.part`, Buffer.concat([CONTENT, CONTENT]));
    await download(URL_OF_FILE, another, { ...options, get: server().get });
    expect(await readFile(another)).toEqual(CONTENT);
  });

  it('deletes what has another hash', async () => {
    const target = join(folder(), 'a.whl');
    const wrong = { ...options, sha256: '0'.repeat(64), get: server().get };
    await expect(download(URL_OF_FILE, target, wrong)).rejects.toThrow(
      `Download of a.whl expected SHA-256 ${'0'.repeat(64)}, received ${SHA256}; it was deleted; run the command again`,
    );
    expect([existsSync(target), existsSync(`${target}.part`)]).toEqual([false, false]);
  });

  it('gives up on a refusal at once, and on a dead network after some attempts', async () => {
    const target = join(folder(), 'a.whl');
    let calls = 0;
    const refusing: typeof fetch = async () => (calls++, new Response('', { status: 403 }));
    const refused = await download(URL_OF_FILE, target, { ...options, get: refusing }).catch((error: Error) => error);
    expect(refused).toBeInstanceOf(UnavailableError);
    expect(String(refused)).toContain(
      'expected an answer of files.example, received HTTP status 403; check the network',
    );
    expect(calls).toBe(1);
    const dead: typeof fetch = async () => {
      calls++;
      throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND files.example') });
    };
    await expect(download(URL_OF_FILE, target, { ...options, get: dead, attempts: 3 })).rejects.toThrow(
      /received fetch failed: getaddrinfo ENOTFOUND files\.example; .* it goes on where it stopped/,
    );
    expect(calls).toBe(4);
  });

  it('counts a connection without bytes as lost', async () => {
    const silentServer: typeof fetch = (_url, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
      });
    const stalled = { ...options, get: silentServer, attempts: 2, patience: 20 };
    await expect(download(URL_OF_FILE, join(folder(), 'a.whl'), stalled)).rejects.toThrow(
      /received no byte in 0\.02 s/,
    );
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const stopping: typeof fetch = async () => {
      controller.abort(new Error('enough'));
      throw new Error('aborted');
    };
    const stopped = { ...options, get: stopping, signal: controller.signal };
    await expect(download(URL_OF_FILE, join(folder(), 'a.whl'), stopped)).rejects.toThrow('enough');
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full (skipped where there is no /dev/full)', async () => {
    const target = join(folder(), 'a.whl');
    await symlink('/dev/full', `${target}.part`);
    const full = await download(URL_OF_FILE, target, { ...options, get: server().get }).catch((error: Error) => error);
    expect(full).toBeInstanceOf(DataError);
    expect(String(full)).toMatch(/ENOSPC: .*; free some disk space, or name a folder on another disk by --folder/);
  });
});
