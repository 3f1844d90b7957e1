// The page without a service: as the files that `pnpm page` writes, on a plain web server, below some path.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { decodeImage } from '@drf/preprocessing';
import { openJudge } from '@drf/judge';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPageProgram } from '@drf/page-app';
import { CHROMIUM, PageFixture, RESULTS, verdict, WITHOUT_CHROMIUM } from './testing/page-fixture.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
};

/** How hosts answer for a file that is not there: with a page of that status. */
function hostFiles(folder: string, base: string, missing: 404 | 200): Server {
  return createServer((request, response) => {
    const path = new URL(request.url ?? '', 'http://host').pathname;
    const file = path.startsWith(base) ? normalize(join('/', path.slice(base.length) || 'index.html')) : '/none';
    readFile(join(folder, file)).then(
      (content) => response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream').end(content),
      () => response.writeHead(missing, { 'content-type': 'text/html' }).end('<!doctype html><title>Not here</title>'),
    );
  });
}

describe.skipIf(CHROMIUM === undefined)(`the page as static files${WITHOUT_CHROMIUM}`, { timeout: 300_000 }, () => {
  let fixture: PageFixture;
  let site: string;
  const servers: Server[] = [];

  beforeAll(async () => {
    fixture = await PageFixture.open();
    site = join(fixture.onnx, '../site');
    await createPageProgram(() => undefined, fixture.site).parseAsync(['--out', site, '--model', fixture.onnx], {
      from: 'user',
    });
  }, 240_000);

  afterAll(async () => {
    servers.forEach((server) => server.close());
    await fixture?.close();
  });

  it.each([
    ['says 404 for what is not there', 404],
    ['answers with its own page for what is not there', 200],
  ] as const)('judges as the run does, on a host that %s', async (_, missing) => {
    const server = hostFiles(site, '/some/path/', missing);
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const page = await fixture.visit(`http://127.0.0.1:${(server.address() as AddressInfo).port}/some/path/`);
    await page.waitForSelector(RESULTS);
    const { probabilities, pairs } = await verdict(page);
    expect(await page.textContent('#privacy')).toBe('Nothing that you give leaves this browser.');

    const judge = await openJudge(fixture.run);
    const example = await readFile(join(site, 'examples/test-0045.png'));
    const image = await decodeImage('example', example, {
      width: 224,
      height: 224,
      fit: 'stretch',
      maximumPixels: 1e6,
    });
    const judgment = await judge.judge({ image, text: await page.inputValue('#text') });
    await judge.close();
    const expected = [...Object.values(judgment.probabilities), ...Object.values(judgment.pairWeights ?? {})];
    expect(expected).toHaveLength(6);
    [...probabilities, ...pairs].forEach((share, i) => expect(share).toBeCloseTo(expected[i] as number, 4));
    fixture.forget('404'); // the browser notes that there is no v1/model
    expect(fixture.said).toEqual([]);
    await page.context().close();
  });
});
