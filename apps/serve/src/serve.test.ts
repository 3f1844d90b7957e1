import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeImage } from '@drf/preprocessing';
import { modelSchema } from '@drf/service';
import { openJudge } from '@drf/judge';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { makeEmbeddedRun } from '@drf/export/testing';
import { addressWarnings } from './access.js';
import { createServeProgram } from './program.js';
import { serve } from './serve.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const LOADER = ['--conditions=source', '--import', './scripts/from-source.mjs', 'apps/serve/src/main.ts'];

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-serve-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const CARD = {
  format: 'drf-onnx-1',
  labels: ['positive', 'negative'],
  method: 'drf',
  encoders: { image: 'an-image-encoder', text: 'a-text-encoder' },
  run: { id: 'my-run', checkpoint: 'step-3.safetensors' },
  queues: null,
  files: {},
  preprocessing: { image: { decodedSize: 224 }, text: { maskToken: '<mask>' } },
  calibration: {
    format: 'drf-calibration-2',
    checkpoint: 'step-3.safetensors',
    temperature: { temperature: 1.5, before: 1, after: 0.9, posts: 100, basis: 'fitted' },
    quality: { image: [-3, -2, -1], text: null, measuredOn: 'validation', posts: { image: 100, text: 0 } },
  },
};

async function exported(card: object): Promise<string> {
  const path = await mkdtemp(join(folder, 'exported-'));
  await writeFile(join(path, 'card.json'), JSON.stringify(card));
  await writeFile(join(path, 'model.onnx'), 'onnx');
  return path;
}

/** Starts `pnpm serve` without pnpm. */
async function start(args: readonly string[]) {
  const child = spawn(process.execPath, [...LOADER, ...args, '--port', '0'], { cwd: ROOT, detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const heard = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (heard.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (heard.err += text));
  const over = once(child, 'close').then(() => child.exitCode);
  const listening = /Listening on (\S+?)(?: \(no page\))?\. /;
  while (child.exitCode === null && !listening.test(heard.err)) await new Promise((resolve) => setTimeout(resolve, 20));
  return { child: child as ChildProcess, heard, over, address: listening.exec(heard.err)?.[1] ?? '' };
}

const post = (address: string, value: object) => postTo(`${address}/v1/predict`, value);

const postTo = (address: string, value: object) =>
  fetch(address, { method: 'POST', body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });

// Two processes, each from source: half a minute on a busy machine.
describe('pnpm serve RUN', { timeout: 240_000 }, () => {
  it('judges as the run does directly, and ends with 0 after it has answered what it accepted', async () => {
    const { path } = await makeEmbeddedRun(join(folder, 'run'));
    const image = onePixel;
    const texts = ['What a day!', 'oh no', ' ', 'x'.repeat(300)];
    const { child, over, heard, address } = await start([path, '--no-page']);
    const answers = await Promise.all(texts.map(async (text) => (await post(address, { text, image })).json()));
    const model = modelSchema.parse(await (await fetch(`${address}/v1/model`)).json());
    expect(model).toMatchObject({ run: 'run', method: 'drf-paper', checkpoint: 'step-3.safetensors', mode: 'server', predicts: true, maskToken: '[MASK]' }); // prettier-ignore
    expect((await post(address, { text: ' ' })).status).toBe(422);
    const many = Array.from({ length: 3 }, () => texts).flat(); // half a second of work, so that some wait when one looks
    const last = postTo(`${address}/v1/predict/batch`, { posts: many.map((text) => ({ text, image })) });
    let isAnswered = false;
    void last.then(() => (isAnswered = true));
    const someWait = async (): Promise<boolean> => /waiting_posts [1-9]/.test(await (await fetch(`${address}/metrics`)).text()); // prettier-ignore
    while (!(await someWait())) expect(isAnswered).toBe(false);
    process.kill(-(child.pid as number), 'SIGTERM'); // as systemd does, the judge's process, too
    expect([await over, heard.err]).toEqual([
      0,
      expect.stringMatching(/^Opening .* …\nListening [^]*Finishing what was accepted[^]*Ended\.\n$/),
    ]);
    expect(heard.out).toMatch(/"msg":"ended"\}\n$/);
    const { answers: judged } = (await (await last).json()) as { answers: { judgment?: object }[] };
    expect(judged.map(({ judgment }) => typeof judgment)).toEqual(many.map(() => 'object'));
    expect(heard.out.split('\n').filter((line) => line.includes('"status":200')).length).toBeGreaterThan(6);
    expect(heard.out).not.toContain('What a day');

    const judge = await openJudge(path);
    const side = judge.info.imageSize;
    const pixels = await decodeImage('one pixel', Buffer.from(onePixel, 'base64'), { width: side, height: side, fit: 'stretch', maximumPixels: 1 }); // prettier-ignore
    for (const [i, text] of texts.entries()) {
      expect(answers[i]).toEqual({ ...(await judge.judge({ text, image: pixels })), model: model.model });
    }
    await judge.close();
  });
});

/** A gray PNG. */
const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';

describe('pnpm serve --onnx', () => {
  it('lets the page judge', async () => {
    const served = await serve({ host: '127.0.0.1', port: 0, onnx: await exported(CARD) });
    const model = modelSchema.parse(await (await fetch(`${served.address}/v1/model`)).json());
    expect(model).toMatchObject({
      mode: 'browser',
      predicts: false,
      classes: CARD.labels,
      run: 'my-run',
      maskToken: '<mask>',
      calibration: { temperature: 1.5, quality: { image: [-3, -2, -1], text: null } },
      files: ['card.json', 'model.onnx'],
    });
    await served.close(1000);
  });

  it.each([
    ['0.0.0.0', {}, ['everybody', 'pages']],
    ['192.168.1.7', {}, ['everybody', 'pages']],
    ['127.example.org', {}, ['everybody', 'pages']],
    ['0.0.0.0', { token: 'a-token' }, ['pages']],
    ['0.0.0.0', { hostNames: ['api.example.org'] }, ['everybody']],
    ['0.0.0.0', { token: 'a-token', hostNames: ['api.example.org'] }, []],
    ['127.0.0.1', {}, []],
    ['127.3.2.1', {}, []],
    ['localhost', {}, []],
    ['::1', {}, []],
  ])('listening on %s with %j: warns of %j', (host, options, warnings) => {
    const said = {
      everybody: `warning: everybody who reaches ${host} may ask; give a --token-file, or listen on 127.0.0.1`,
      pages: 'warning: pages of other sites that point a name of theirs here can ask from the browsers of those who open them; name the hosts under which it is reached: --host-name NAME',
    };
    expect(addressWarnings(host, options)).toEqual(warnings.map((name) => said[name as keyof typeof said]));
  }); // prettier-ignore

  it.each([
    [{ ...CARD, format: 'drf-onnx-0' }, 'expected format drf-onnx-1, received "drf-onnx-0"'],
    [
      { ...CARD, calibration: undefined },
      'received one of an earlier version, or a damaged one (calibration: nothing)',
    ],
    [{ ...CARD, labels: 5 }, 'a damaged one (labels: '],
    [{ ...CARD, run: null }, 'a damaged one (run: '],
    [{ ...CARD, calibration: { format: 'drf-calibration-2' } }, 'expected a calibration of format drf-calibration-2, received a damaged one'], // prettier-ignore
  ])('refuses a folder whose card is another', async (card, received) => {
    await expect(serve({ host: '127.0.0.1', port: 0, onnx: await exported(card) })).rejects.toThrow(received);
  });
});

it('has the options that the files of docs/deployment give', () => {
  const given = ['--host', '--port', '--host-name', '--token-file', '--no-page', '--workers', '--watch', '--model-name', '--trace', '--quiet', '--grace']; // prettier-ignore
  expect(createServeProgram().options.map(({ long }) => long)).toEqual(expect.arrayContaining(given));
});

it.each([
  ['--model-name', 'a/b', 'expected 1 to 200 letters, digits'],
  ['--trace', 'collector:4318', 'expected http://… or https://…, without /v1/traces'],
  ['--workers', '0', 'from 1 to 64'],
])('refuses %s %s', async (option, value, message) => {
  const program = createServeProgram()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await expect(program.parseAsync(['run', option, value], { from: 'user' })).rejects.toThrow(message);
});

describe('serve', () => {
  const at = { host: '127.0.0.1', port: 0 };

  it('needs a run or an exported folder', async () => {
    await expect(serve(at)).rejects.toThrow('serve expected a run, or --onnx with an exported folder, or both, received neither; see pnpm serve --help'); // prettier-ignore
  });

  it('says that a port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    await expect(serve({ ...at, port, onnx: await exported(CARD) })).rejects.toThrow(
      /^serve expected to listen on 127.0.0.1, port \d+, received EADDRINUSE: .*; choose another --port$/,
    );
  });
});
