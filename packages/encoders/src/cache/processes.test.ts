import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeWithCache } from './encode-with-cache.js';
import { openFeatureCache } from './feature-cache.js';
import { CHILD_DIM, childItems, childText } from '../testing/cache-child-items.js';
import { countingEncoder, featureOf } from '../testing/fake-encoder.js';
import { temporaryFolder } from '../testing/temporary-folder.js';

const CHILD = fileURLToPath(new URL('../testing/cache-child.ts', import.meta.url));
const FROM_SOURCE = new URL('../../../../scripts/from-source.mjs', import.meta.url).href;

interface Child {
  readonly process: ChildProcess;
  /** What it printed so far, both streams. */
  output(): string;
  readonly ended: Promise<number | null>;
}

function startChild(...args: (string | number)[]): Child {
  const child = spawn(process.execPath, [
    '--conditions=source',
    '--no-warnings',
    '--import',
    FROM_SOURCE,
    CHILD,
    ...args.map(String),
  ]);
  let output = '';
  child.stdin.on('error', () => undefined); // it may be killed first
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  onTestFinished(() => void child.kill('SIGKILL'));
  return { process: child, output: () => output, ended: new Promise((resolve) => void child.on('close', resolve)) };
}

function said(child: Child, what: RegExp): Promise<void> {
  return expect.poll(() => child.output(), { timeout: 40_000, interval: 50 }).toMatch(what);
}

async function expectFeatures(root: string, from: number, to: number): Promise<void> {
  const cache = await openFeatureCache(root, countingEncoder({ outputDim: CHILD_DIM }));
  const rows = await cache.get(childItems(to).map(({ key }) => key));
  for (let i = from; i < to; i++) {
    expect(rows[i], `row ${i}`).toEqual(Float32Array.from(featureOf(childText(i), CHILD_DIM)));
  }
  expect(cache.stats.problems).toEqual([]);
  await cache.close();
}

describe('several processes on one cache', () => {
  it('both finish, share the work, and every row is right', async () => {
    const root = await temporaryFolder();
    const children = [startChild(root, 200, 20, 'forward'), startChild(root, 200, 20, 'backward')];
    for (const child of children) await said(child, /ready/);
    for (const child of children) child.process.stdin?.write('go\n');
    for (const child of children) expect(await child.ended, child.output()).toBe(0);
    for (const child of children) {
      const written = Number(/"rows":200,.*"written":(\d+),.*"problems":\[\]/.exec(child.output())?.[1]);
      expect(written, child.output()).toBeGreaterThan(0);
      const encoded = Number([...child.output().matchAll(/encoded (\d+)\n/g)].at(-1)?.[1]);
      expect(encoded, child.output()).toBeLessThan(200);
    }
    await expectFeatures(root, 0, 200);
  });

  it('keeps what was complete when one is killed, and the next goes on from there', async () => {
    const root = await temporaryFolder();
    const child = startChild(root, 100_000, 1, 'forward');
    child.process.stdin?.write('go\n');
    await said(child, /encoded \d{3}/);
    child.process.kill('SIGKILL');
    expect(await child.ended).not.toBe(0);
    const stored = Number([...child.output().matchAll(/encoded (\d+)\n/g)].at(-1)?.[1]);
    expect(stored).toBeGreaterThanOrEqual(100);
    await expectFeatures(root, 0, stored);
    const encoder = countingEncoder({ outputDim: CHILD_DIM });
    const cache = await openFeatureCache(root, encoder);
    await encodeWithCache({ cache, encoder, items: childItems(stored + 20), batchSize: 4 });
    expect(encoder.encodedTexts.length).toBeLessThanOrEqual(20);
    await cache.close();
    await expectFeatures(root, 0, stored + 20);
  });
});
