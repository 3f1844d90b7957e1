import { createService } from '@drf/service';
import type { JudgeInfo, Judgment, PostContent } from '@drf/judge';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { abuse } from './abuse.js';
import { askInTurn, runLoad } from './load.js';
import { makePosts, type ClientPost } from './posts.js';

const INFO: JudgeInfo = {
  name: 'r',
  sources: [],
  classes: ['a', 'b'],
  method: 'drf',
  encoders: { image: 'x', text: 'y' },
  imageSize: 4,
  maskToken: null,
  engine: 'none',
  calibration: null,
  notes: [],
};

const judgment = (label: string): Judgment => ({
  label,
  probabilities: { a: 1 / 3, b: 2 / 3 },
  quality: { image: null, text: null },
  logDensity: { image: null, text: null },
  intact: { image: null, text: null },
  pairWeights: null,
  recovered: null,
  unfamiliar: null,
});

let posts: readonly ClientPost[];
beforeAll(async () => void (posts = await makePosts(10, 1)));

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listening(judge: (post: PostContent) => Promise<Judgment>): Promise<string> {
  const app = await createService({
    judge: { info: INFO, judge, close: async () => undefined },
    limits: { requestMilliseconds: 1500 },
  });
  closing.push(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  return app.listen({ host: '127.0.0.1', port: 0 });
}

/** The texts' judgments are labeled b, those of images alone a. */
const honest = async ({ text }: PostContent): Promise<Judgment> => judgment(text === null ? 'a' : 'b');

describe('makePosts', () => {
  it('makes the same posts from the same seed, with both modalities and with either', async () => {
    expect(await makePosts(10, 1)).toEqual(posts);
    expect(await makePosts(10, 2)).not.toEqual(posts);
    const kinds = posts.map(({ image, text }) => `${image !== null} ${text !== null}`);
    expect(new Set(kinds)).toEqual(new Set(['true true', 'false true', 'true false']));
  });
});

describe('runLoad', () => {
  const judgments = () => posts.map(({ text }) => judgment(text === null ? 'a' : 'b'));

  it('finds every answer right that is', async () => {
    const address = await listening(honest);
    let done = 0;
    const report = await runLoad({ address, send: askInTurn(posts, judgments()), clients: 3, requests: 25, onDone: (now) => void (done = now) }); // prettier-ignore
    expect(report).toMatchObject({ clients: 3, requests: 25, right: 25, wrong: 0, refused: 0, lost: 0 });
    expect(report.milliseconds.p50).toBeLessThanOrEqual(report.milliseconds.p99);
    expect(done).toBe(25);
  });

  it('finds answers that are wrong in the last bit, refused or lost', async () => {
    let asked = 0;
    const address = await listening(async (post) => {
      asked += 1;
      if (asked === 2) throw new Error('no');
      const right = await honest(post);
      return asked === 4 ? { ...right, probabilities: { a: 1 / 3 + 2 ** -54, b: 2 / 3 } } : right;
    });
    const report = await runLoad({ address, send: askInTurn(posts, judgments()), clients: 1, requests: 10 });
    expect(report).toMatchObject({ right: 8, wrong: 1, refused: 1, lost: 0 });
    const nobody = await runLoad({ address: 'http://127.0.0.1:9', send: askInTurn(posts, judgments()), clients: 2, requests: 4 }); // prettier-ignore
    expect(nobody).toMatchObject({ right: 0, lost: 4 });
  });
});

describe('abuse', () => {
  it('is met with the right status each, while honest posts are judged', async () => {
    const address = await listening(honest);
    const server = { address, metrics: () => Promise.resolve(new Map([['drf_process_resident_memory_bytes{worker="1",process="serve"}', 2 ** 20]])), pid: process.pid, stop: () => Promise.resolve(0) }; // prettier-ignore
    const judgments = posts.map(({ text }) => judgment(text === null ? 'a' : 'b'));
    const report = await abuse({ server, posts, judgments, seconds: 4, seed: 1 });
    expect(report.honest).toMatchObject({ wrong: 0, lost: 0 });
    expect(report.honest.right).toBeGreaterThan(0);
    for (const [kind, status] of Object.entries({
      'cut-off image': '422',
      'no image': '422',
      'image of 50,000 × 50,000': '422',
      'ten megabytes of text': '422',
      'body over the limit': '413',
      'deep JSON': '422',
      'broken JSON': '400',
      'slow headers': '408',
      'slow body': '408',
      'idle body': '408',
    })) {
      expect(Object.keys(report.answers[kind] ?? {}), kind).toContain(status);
    }
    expect(report.healthMilliseconds.most).toBeGreaterThanOrEqual(report.healthMilliseconds.p50);
    expect(report.megabytes).toEqual({ before: 1, peak: 1, after: 1 });
  });
});
