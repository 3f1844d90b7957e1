import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostTensor, type HostTensor, type HostTree } from '@drf/tensor';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '@drf/terminal';
import { exportRun } from './export-run.js';
import { serveModels } from './testing/model-page.js';
import { expectOutputs, headBatch, type OnnxOutputs, randomPosts, runOnnx } from './testing/posts.js';
import { makeEmbeddedRun, makeTinyRun, randomTensor } from './testing/tiny-run.js';

const executablePath = await findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']);
const reason = executablePath === undefined ? ' [skipped: no Chromium on the path; Debian has chromium]' : '';

/** No sandbox: tests often run as root, in a container. Nothing but 127.0.0.1 is asked for. */
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe.skipIf(executablePath === undefined)(`onnxruntime-web in Chromium${reason}`, () => {
  let folder: string;
  let server: { url: string; close(): Promise<void> };
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drf-export-web-'));
    server = await serveModels(folder);
    const options = { executablePath, args: ARGUMENTS, headless: true, timeout: 120_000 };
    context = await chromium.launchPersistentContext(join(folder, 'profile'), options);
    page = await context.newPage();
    await page.goto(server.url);
    await page.waitForFunction('window.runModel !== undefined', undefined, { timeout: 60_000 });
  }, 180_000);

  afterAll(async () => {
    await context?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  async function runInBrowser(path: string, inputs: HostTree): Promise<OnnxOutputs> {
    const plain = Object.entries(inputs as Record<string, HostTensor>).map(([name, { dtype, shape, data }]) => {
      return { name, dtype, shape, data: Array.from(data) };
    });
    return page.evaluate<OnnxOutputs>(`window.runModel(${JSON.stringify(path)}, ${JSON.stringify(plain)})`);
  }

  it.each(['drf', 'drf-paper', 'concatenation'] as const)('gives what onnxruntime-node gives: %s', async (method) => {
    const run = await makeTinyRun(join(folder, `${method}-run`), { method });
    await exportRun(run.path, { out: join(folder, method) });
    for (const count of [1, 4, 7]) {
      const inputs = await headBatch(randomPosts({ imageDim: 6, textDim: 9 }, count));
      const expected = await runOnnx(join(folder, method, 'head.onnx'), inputs);
      const received = await runInBrowser(`/models/${method}/head.onnx`, inputs);
      expect(Object.keys(received).sort()).toEqual(Object.keys(expected).sort());
      expectOutputs(received, expected);
    }
  });

  it.each(['float32', 'float16', 'int8'] as const)(
    'gives what onnxruntime-node gives: the whole model in %s',
    { timeout: 180_000 },
    async (precision) => {
      const run = await makeEmbeddedRun(join(folder, `embedded-run-${precision}`));
      const name = `embedded-${precision}`;
      await exportRun(run.path, { out: join(folder, name), tokens: 16, precision, measure: 0 });
      const count = 2;
      const inputs = {
        pixels: randomTensor('pixels', [count, 224, 224, 3]),
        tokens: hostTensor(
          Int32Array.from({ length: count * 16 }, (_, i) => 6 + 37 * i),
          [count, 16],
        ),
        tokenMask: hostTensor(
          Float32Array.from({ length: count * 16 }, (_, i) => Number(i < 21)), // 16 pieces and 5
          [count, 16],
        ),
        imageAvailable: hostTensor([1, 0], [count]),
        textAvailable: hostTensor([1, 1], [count]),
      };
      const expected = await runOnnx(join(folder, name, 'model.onnx'), inputs);
      expectOutputs(await runInBrowser(`/models/${name}/model.onnx`, inputs), expected);
    },
  );

  it('is the runtime’s web version', async () => {
    expect(await page.evaluate('window.version')).toBe('1.30.0');
  });
});
