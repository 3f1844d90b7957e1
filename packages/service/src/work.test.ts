import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Problem } from './schemas.js';
import { HeldJudge, judgmentOf, openService } from './testing/service.js';

const send = (app: Awaited<ReturnType<typeof openService>>, text: string) =>
  app.inject({ method: 'POST', url: '/v1/predict', payload: { text } });

const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

async function metric(app: Awaited<ReturnType<typeof openService>>, line: string): Promise<number> {
  const { payload } = await app.inject({ url: '/metrics' });
  return Number(new RegExp(`^${line.replaceAll(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(payload)?.[1]);
}

describe('the line of posts', () => {
  it('gives the judge one post after the other, in their order, and everybody their own answer', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge });
    const texts = ['a', 'b', 'c'];
    const answers = texts.map((text) => send(app, text));
    await turn();
    expect(judge.seen.map(({ text }) => text)).toEqual(['a']);
    expect(await metric(app, 'drf_waiting_posts')).toBe(3);
    for (const [i, answer] of answers.entries()) {
      await judge.answerOne();
      expect((await answer).json()).toEqual(judgmentOf({ text: texts[i] as string, image: null }));
    }
    expect(judge.seen.map(({ text }) => text)).toEqual(texts);
    expect([await metric(app, 'drf_waiting_posts'), await metric(app, 'drf_body_bytes')]).toEqual([0, 0]);
  });

  it('refuses posts that find no place, at once, and takes others when there is one again', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge, limits: { waitingPosts: 2 } });
    const [first, second] = [send(app, 'a'), send(app, 'b')];
    await turn();
    const refused = await send(app, 'c');
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(refused.json<Problem>()).toMatchObject({ code: 'busy', title: 'Service Unavailable' });
    expect(refused.json<Problem>().detail).toBe(
      'The service expected at most 2 posts waiting, received 1 more than the 2 that wait already; try again when Retry-After has passed',
    );
    const batch = app.inject({ method: 'POST', url: '/v1/predict/batch', payload: { posts: [{ text: 'a' }] } });
    expect((await batch).statusCode).toBe(503);
    await judge.answerOne();
    await first;
    const third = send(app, 'c');
    await judge.answerOne();
    await judge.answerOne();
    expect([(await second).statusCode, (await third).statusCode]).toEqual([200, 200]);
  });

  it('answers 504 when the time is over, drops what then still waits, and keeps its place until then', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge, limits: { answerMilliseconds: 60 } });
    const [first, second] = await Promise.all([send(app, 'a'), send(app, 'b')]);
    for (const answer of [first, second]) {
      expect([answer.statusCode, answer.json<Problem>().code]).toEqual([504, 'answer-timeout']);
      expect(answer.json<Problem>().detail).toMatch(/^The service expected to answer within 60 ms, received more work/);
    }
    expect(await metric(app, 'drf_waiting_posts')).toBe(2);
    await judge.answerOne();
    await turn();
    expect(judge.seen.map(({ text }) => text)).toEqual(['a']);
    expect([await metric(app, 'drf_waiting_posts'), await metric(app, 'drf_body_bytes')]).toEqual([0, 0]);
  });

  it('ends a batch as a whole when its time is over', async () => {
    const app = await openService({ judge: new HeldJudge(), limits: { answerMilliseconds: 40 } });
    const batch = await app.inject({
      method: 'POST',
      url: '/v1/predict/batch',
      payload: { posts: [{ text: 'a' }, {}] },
    });
    expect([batch.statusCode, batch.json<Problem>().code]).toEqual([504, 'answer-timeout']);
  });

  it('holds no more bytes of bodies than it may, counting a body without a length as the largest', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge, limits: { bodyBytes: 1000, totalBodyBytes: 1000 } });
    const first = send(app, 'a');
    await turn();
    expect(await metric(app, 'drf_body_bytes')).toBe(12); // {"text":"a"}
    const large = await send(app, 'x'.repeat(980));
    expect([large.statusCode, large.headers['retry-after']]).toEqual([503, '1']);
    expect(large.json<Problem>().detail).toBe('The service expected at most 1000 bytes of requests at once, received 991 bytes more than the 12 that are held already; try again when Retry-After has passed'); // prettier-ignore
    const payload = Readable.from([Buffer.from('{"text":"b"}')]);
    const headers = { 'content-type': 'application/json' };
    const endless = await app.inject({ method: 'POST', url: '/v1/predict', payload, headers });
    expect(endless.json<Problem>().detail).toMatch(/received 1000 bytes more than the 12/);
    await judge.answerOne();
    expect((await first).statusCode).toBe(200);
    expect(await metric(app, 'drf_body_bytes')).toBe(0);
  });

  it('says internal errors without what is inside, and is not ready after three in a row', async () => {
    let works = false;
    const lines: string[] = [];
    const judge = {
      imageSize: 8,
      judge: async (post: Parameters<typeof judgmentOf>[0]) => {
        if (!works) throw new Error('secret place /home/someone');
        return judgmentOf(post);
      },
    };
    const app = await openService({
      judge,
      log: { level: 'info', stream: { write: (line) => void lines.push(line) } },
    });
    for (let i = 0; i < 3; i++) {
      expect((await app.inject({ url: '/readyz' })).statusCode).toBe(200);
      const answer = await send(app, 'my private text');
      expect([answer.statusCode, answer.json<Problem>().code]).toEqual([500, 'internal-error']);
      expect(answer.payload).not.toContain('secret');
    }
    expect((await app.inject({ url: '/readyz' })).statusCode).toBe(503);
    works = true;
    expect((await send(app, 'my private text')).statusCode).toBe(200);
    expect((await app.inject({ url: '/readyz' })).statusCode).toBe(200);
    const log = lines.join('');
    expect(log).toContain('secret place'); // for whoever runs it
    expect(log).not.toContain('private');
    expect(JSON.parse(lines.at(-2) as string)).toMatchObject({ level: 'info', method: 'POST', route: '/v1/predict', status: 200 }); // prettier-ignore
  });
});
