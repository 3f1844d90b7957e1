import { decodeImage } from '@drf/preprocessing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { explainContent } from '@drf/judge/explain';
import { HeldJudge, INFO, instantJudge, judgmentOf, openService, openSocketService } from './testing/service.js';
import type { ServiceOptions } from './create-service.js';

let png: Buffer;
beforeAll(async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  png = await sharp({ create: { width: 20, height: 10, channels: 3, background: '#000', noise } })
    .png()
    .toBuffer();
});

async function ask(payload: object, options: Partial<ServiceOptions> = {}, headers = {}) {
  const app = await openService(options);
  return app.inject({ method: 'POST', url: '/v1/explain', payload, headers });
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('POST /v1/explain', () => {
  it('answers what explainContent says, with the model that judged', async () => {
    const side = { width: 8, height: 8, fit: 'stretch', maximumPixels: 1e6 } as const;
    const image = await decodeImage('test', png, side);
    const post = { text: 'so lovely', image };
    const judge = { info: INFO, judge: async (asked: typeof post) => judgmentOf(asked) };
    const expected = await explainContent(judge, post, { label: 'negative', grid: [2, 2], words: 1 });
    const response = await ask({ text: 'so lovely', image: png.toString('base64'), label: 'negative', grid: 2, words: 1 }); // prettier-ignore
    expect([response.statusCode, response.headers['x-model-version']]).toEqual([200, '0']);
    expect(response.json()).toEqual({ ...expected, model: { name: 'tiny', version: '0' } });
    expect(expected.regions).toHaveLength(4);
    expect(expected.words).toHaveLength(1);
  });

  it('takes a form, and cuts by its own defaults then', async () => {
    const app = await openService();
    const form = new FormData();
    form.set('text', 'so lovely');
    form.set('image', new Blob([new Uint8Array(png)]), 'a.png');
    const encoded = new Response(form);
    const headers = { 'content-type': encoded.headers.get('content-type') as string };
    const payload = Buffer.from(await encoded.arrayBuffer());
    const response = await app.inject({ method: 'POST', url: '/v1/explain', payload, headers });
    expect(response.statusCode).toBe(200);
    const { words, regions } = response.json<{ words: unknown[]; regions: unknown[] }>();
    expect([words.length, regions.length]).toEqual([2, 49]);
  });

  it.each<[object, string, RegExp]>([
    [{ text: 'a', label: 'odd' }, 'bad-post', /label expected a class of the model, received "odd"/],
    [{ text: 'a', grid: 11 }, 'bad-post', /The explanation, grid expected at most 10, received 11/],
    [{ text: 'a', grid: 0 }, 'bad-post', /The explanation, grid expected at least 1, received 0/],
    [{ text: 'a', words: 2.5 }, 'bad-post', /The explanation, words expected a whole number/],
    [{ text: 'a', label: 3 }, 'bad-post', /The explanation, label expected a string/],
    [{ text: 'a', colour: 1 }, 'bad-post', /no other fields than those of \/openapi\.json/],
    [{ words: 3 }, 'bad-post', /text or an image, or both/],
    [{ text: 'a', image: '!' }, 'bad-image', /base64/],
    [[1], 'bad-post', /a JSON object/],
  ])('refuses %j', async (payload, code, message) => {
    const response = await ask(payload);
    expect(response.statusCode).toBe(422);
    const problem = response.json<{ code: string; detail: string }>();
    expect(problem.code).toBe(code);
    expect(problem.detail).toMatch(message);
  });

  it('needs the token where there is one, and a judge', async () => {
    expect((await ask({ text: 'a' }, { token: 'a-token' })).statusCode).toBe(401);
    expect((await ask({ text: 'a' }, { judge: null, info: INFO })).json()).toMatchObject({ code: 'no-judge' });
    expect((await ask({ text: 'a' }, { limits: { explanations: 0 } })).statusCode).toBe(404);
  });

  it('lets posts that are only judged come between its judgments', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge });
    const headers = (from: string) => ({ remoteAddress: from });
    const explaining = app.inject({ method: 'POST', url: '/v1/explain', payload: { text: 'a b c d e f' }, ...headers('10.0.0.1') }); // prettier-ignore
    await settled();
    const judging = app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'quick' }, ...headers('10.0.0.2') }); // prettier-ignore
    await settled();
    await judge.answerOne(); // the first of the explanation
    await settled();
    expect(judge.seen.map(({ text }) => text)).toEqual(['a b c d e f', 'quick']);
    await judge.answerOne();
    expect((await judging).statusCode).toBe(200);
    for (let i = 0; i < 6; i++) await judge.answerOne();
    expect((await explaining).statusCode).toBe(200);
    expect(judge.seen).toHaveLength(8);
  });

  it('takes few at once, and fewer of one client', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge, limits: { explanations: 2, clientShare: 0.5 } });
    const explain = (from: string) =>
      app.inject({ method: 'POST', url: '/v1/explain', payload: { text: 'a b' }, remoteAddress: from });
    const first = explain('10.0.0.1');
    await settled();
    const again = await explain('10.0.0.1');
    expect([again.statusCode, again.json<{ code: string }>().code, again.headers['retry-after']]).toEqual([429, 'client-busy', '1']); // prettier-ignore
    const second = explain('10.0.0.2');
    await settled();
    expect((await explain('10.0.0.3')).json()).toMatchObject({ status: 503, code: 'busy' });
    for (let i = 0; i < 6; i++) await judge.answerOne();
    expect([(await first).statusCode, (await second).statusCode]).toEqual([200, 200]);
    const third = explain('10.0.0.3'); // there is room again
    for (let i = 0; i < 3; i++) await judge.answerOne();
    expect((await third).statusCode).toBe(200);
  });

  it('stops when its time is over, or its client leaves', async () => {
    const judge = new HeldJudge();
    const late = await ask({ text: 'a b c' }, { judge, limits: { explainMilliseconds: 50 } });
    expect(late.json()).toMatchObject({ status: 504, code: 'answer-timeout' });
    await judge.answerOne();
    await settled();
    expect(judge.seen).toHaveLength(1); // nothing further was asked

    const left = new HeldJudge();
    const { address } = await openSocketService({ judge: left });
    const leave = new AbortController();
    const body = JSON.stringify({ text: 'a b c' });
    const asking = fetch(`${address}/v1/explain`, { method: 'POST', body, headers: { 'content-type': 'application/json' }, signal: leave.signal }); // prettier-ignore
    while (left.seen.length === 0) await settled();
    leave.abort();
    await expect(asking).rejects.toThrow();
    await settled();
    await left.answerOne();
    await settled();
    expect(left.seen).toHaveLength(1);
  });

  it('stands in the OpenAPI document', async () => {
    const app = await openService({ judge: instantJudge });
    const { paths } = (await app.inject('/openapi.json')).json<{ paths: Record<string, { post?: { requestBody: { content: object } } }> }>(); // prettier-ignore
    expect(Object.keys(paths['/v1/explain']?.post?.requestBody.content ?? {})).toEqual(['application/json', 'multipart/form-data']); // prettier-ignore
  });
});
