import { createReadStream } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { resolveInside } from '@drf/files';
import { pipeline } from 'node:stream/promises';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
};

/** What the page offers: runs a model by onnxruntime-web and returns its outputs' numbers by name. */
const PAGE = `<!doctype html><title>onnxruntime-web</title><script type="module">
import * as ort from '/ort/ort.wasm.min.mjs';
ort.env.wasm.wasmPaths = '/ort/';
ort.env.wasm.numThreads = 1;
const arrays = { float32: Float32Array, int32: Int32Array };
window.runModel = async (path, inputs) => {
  const session = await ort.InferenceSession.create(path, { executionProviders: ['wasm'] });
  const feeds = {};
  for (const { name, dtype, shape, data } of inputs) {
    feeds[name] = new ort.Tensor(dtype, arrays[dtype].from(data), shape);
  }
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data)]));
};
window.version = ort.env.versions.web;
</script>`;

/** A page at 127.0.0.1 with onnxruntime-web's own files, and the models of a folder below /models/. */
export async function serveModels(folder: string): Promise<{ url: string; close(): Promise<void> }> {
  const runtime = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
  const server: Server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    const [, root, ...rest] = pathname.split('/');
    const extension = pathname.split('.').at(-1) ?? '';
    if (pathname === '/') return response.setHeader('content-type', 'text/html').end(PAGE);
    if (root !== 'ort' && root !== 'models') return response.writeHead(404).end();
    response.setHeader('content-type', TYPES[extension] ?? 'application/octet-stream');
    const send = async (): Promise<void> => {
      const path = await resolveInside(root === 'ort' ? runtime : folder, rest.join('/'));
      await pipeline(createReadStream(path), response);
    };
    send().catch(() => (response.headersSent ? response.destroy() : response.writeHead(404).end()));
    return response;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
