// `drf-sentiment/browser` as a page has it: bundled by esbuild, in a real browser, over an export behind an address.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { exportRun } from '@drf/export';
import { makeEmbeddedRun } from '@drf/export/testing';
import type { Judgment } from '@drf/judge';
import { resolveInside } from '@drf/files';
import { findProgram } from '@drf/terminal';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from './index.js';
import { picture } from './testing/posts.js';

const executablePath = await findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']);
const reason = executablePath === undefined ? ' [skipped: no Chromium on the path; Debian has chromium]' : '';
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', wasm: 'application/wasm', json: 'application/json' }; // prettier-ignore
const runtime = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-browser-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** A bundle of the entry for browsers. Anything of Node in it fails. */
async function bundled(): Promise<number> {
  const { metafile } = await build({
    stdin: {
      contents: "export { load, isDrfError } from './browser.ts'",
      resolveDir: import.meta.dirname,
      loader: 'ts',
    },
    outfile: join(folder, 'site', 'library.js'),
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    conditions: ['source', 'onnxruntime-web-use-extern-wasm'],
    logLevel: 'silent',
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs).join('\n');
  for (const absent of ['tfjs', 'sharp', 'datasets', 'commander', 'onnxruntime-node'])
    expect(inputs).not.toContain(absent);
  return Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0);
}

it('bundles for browsers, without anything of training or of Node', async () => {
  expect(await bundled()).toBeLessThan(150_000);
});

describe.skipIf(executablePath === undefined)(`in Chromium${reason}`, { timeout: 120_000 }, () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    const run = await makeEmbeddedRun(join(folder, 'run'), { method: 'drf', seen: 20, imageSize: 224 });
    await exportRun(run.path, { out: join(folder, 'site', 'exported'), tokens: 16 });
    await bundled();
    await mkdir(join(folder, 'site', 'ort'));
    for (const name of ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'])
      await cp(join(runtime, name), join(folder, 'site', 'ort', name));
    await writeFile(join(folder, 'site', 'index.html'), '<!doctype html><title>page</title>');
    await writeFile(join(folder, 'site', 'picture.png'), await picture([250, 200, 50], 4));
    server = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://page').pathname;
      const send = async (): Promise<void> => {
        const file = await resolveInside(join(folder, 'site'), path === '/' ? 'index.html' : path.slice(1));
        const content = await readFile(file);
        response
          .setHeader('content-type', TYPES[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream')
          .end(content);
      };
      send().catch(() => response.writeHead(404).end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
    browser = await chromium.launch({ executablePath: executablePath as string, args, timeout: 120_000 });
    page = await browser.newPage();
    await page.goto(address);
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const RUNTIME = `{ mjs: '/ort/ort-wasm-simd-threaded.mjs', wasm: '/ort/ort-wasm-simd-threaded.wasm' }`;

  it('judges as Node does: texts, files, canvases, several posts at once', async () => {
    const judged = await page.evaluate<Judgment[]>(`(async () => {
      const { load } = await import('/library.js');
      let [bytes, total] = [0, 1];
      const model = await load('/exported', { runtime: ${RUNTIME}, onProgress: (done, all) => { [bytes, total] = [done, all]; } });
      const file = await (await fetch('/picture.png')).blob();
      const canvas = document.createElement('canvas');
      const bitmap = await createImageBitmap(file);
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      const text = 'what a joy';
      const judgments = await model.predict([{ text }, { text, image: file }, { image: canvas }]);
      await model.close();
      if (bytes !== total) throw new Error('progress ended at ' + bytes);
      return judgments;
    })()`);
    const image = await picture([250, 200, 50], 4);
    await using model = await load(join(folder, 'site', 'exported'));
    const expected = await model.predict([{ text: 'what a joy' }, { text: 'what a joy', image }, { image }]);
    expect(judged.map(({ label, recovered }) => [label, recovered])).toEqual(expected.map(({ label, recovered }) => [label, recovered])); // prettier-ignore
    judged.forEach(({ probabilities }, i) => {
      for (const [name, share] of Object.entries(probabilities)) expect(share).toBeCloseTo(expected[i]?.probabilities[name] ?? -1, 3); // prettier-ignore
    });
  });

  it('says what is wrong with an address, a file and a post', async () => {
    await mkdir(join(folder, 'site', 'damaged'));
    for (const name of ['card.json', 'vocabulary.json'])
      await cp(join(folder, 'site', 'exported', name), join(folder, 'site', 'damaged', name));
    await writeFile(join(folder, 'site', 'damaged', 'model.onnx'), 'other bytes');
    const said = await page.evaluate<string[]>(`(async () => {
      const { load, isDrfError } = await import('/library.js');
      const tell = (error) => isDrfError(error) + ' ' + error.code + ' ' + error.message;
      const model = await load('/exported/', { runtime: ${RUNTIME} });
      return Promise.all([
        load('/nowhere').catch(tell),
        load('/damaged').catch(tell),
        load('/exported', { signal: AbortSignal.abort(new Error('enough')) }).catch((error) => error.message),
        model.predict([{ text: ' ' }]).catch(tell),
        model.predict([{ image: new Blob(['no image']) }]).catch(tell),
      ]);
    })()`);
    expect(said).toEqual([
      expect.stringMatching(
        /^true unavailable http.*\/nowhere\/card.json expected a file that can be loaded, received status 404/,
      ),
      expect.stringMatching(
        /^true data .*model.onnx expected the \d+ bytes that its card describes, received 11 bytes/,
      ),
      'enough',
      expect.stringMatching(/^true data Post 0, The post expected text or an image, or both, received neither/),
      expect.stringMatching(/^true data Post 0, The post, image, expected an image that this browser reads/),
    ]);
  });
});
