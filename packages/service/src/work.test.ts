import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ReloadableJudge } from './reloadable-judge.js';
import type { Problem } from './schemas.js';
import { answerOf, HeldJudge, instantJudge, judgmentOf, openService } from './testing/service.js';
import { FairLimit } from './work.js';

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
      expect((await answer).json()).toEqual(answerOf({ text: texts[i] as string, image: null }));
    }
    expect(judge.seen.map(({ text }) => text)).toEqual(texts);
    expect([await metric(app, 'drf_waiting_posts'), await metric(app, 'drf_body_bytes')]).toEqual([0, 0]);
  });

  it('gives the judge as many posts at once as it prefers, one client’s after the other’s', async () => {
    const judge = new HeldJudge(3);
    const app = await openService({ judge, trustProxy: ['loopback'] });
    const answers: ReturnType<typeof send>[] = [];
    for (const text of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2']) {
      const headers = { 'x-forwarded-for': text.startsWith('a') ? '192.0.2.1' : '192.0.2.2' };
      answers.push(app.inject({ method: 'POST', url: '/v1/predict', payload: { text }, headers }));
      await expect.poll(() => metric(app, 'drf_waiting_posts')).toBe(answers.length);
    }
    for (let judged = 0; judged < answers.length; judged++) {
      await expect.poll(() => judge.seen.length).toBe(Math.min(answers.length, judged + 3));
      await judge.answerOne();
    }
    for (const answer of answers) expect((await answer).statusCode).toBe(200);
    expect(judge.seen.map(({ text }) => text)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'a5', 'b2']);
  });

  it('gives as many at once as the model prefers that has taken over; posts of the one before count among them', async () => {
    const [before, after] = [new HeldJudge(), new HeldJudge(4)];
    const judge = new ReloadableJudge(before, async () => after);
    const app = await openService({ judge });
    const old = ['a', 'b'].map((text) => send(app, text));
    await expect.poll(() => metric(app, 'drf_waiting_posts')).toBe(2);
    expect(before.seen).toHaveLength(1);
    const reloaded = judge.reload();
    await expect.poll(() => judge.current.judge).toBe(after);
    const young = ['c', 'd', 'e'].map((text) => send(app, text));
    await expect.poll(() => metric(app, 'drf_waiting_posts')).toBe(5);
    expect([before.seen, after.seen].map((seen) => seen.map(({ text }) => text))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    for (const held of [before, before, after, after, after]) await held.answerOne();
    for (const answer of [...old, ...young]) expect((await answer).statusCode).toBe(200);
    expect(after.seen.map(({ text }) => text)).toEqual(['c', 'd', 'e']);
    await reloaded;
  });

  it('counts what fails together as one failure', async () => {
    let under: ((error: Error) => void)[] = [];
    const judge = (): Promise<never> =>
      new Promise((_, reject) => {
        under.push(reject);
        if (under.length < 4) return;
        for (const each of under) each(new Error('no memory'));
        under = [];
      });
    const app = await openService({
      judge: { ...instantJudge, info: { ...instantJudge.info, preferredBatch: 4 }, judge },
    });
    for (const status of [200, 200, 503]) {
      await Promise.all(['a', 'b', 'c', 'd'].map((text) => send(app, text)));
      expect((await app.inject({ url: '/readyz' })).statusCode).toBe(status);
    }
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

  it('holds no more bytes of bodies than it may, counting what has come', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge, limits: { bodyBytes: 1000, totalBodyBytes: 1000 } });
    const first = send(app, 'a');
    await expect.poll(() => metric(app, 'drf_body_bytes')).toBe(12); // {"text":"a"}
    const large = await send(app, 'x'.repeat(980));
    expect([large.statusCode, large.headers['retry-after']]).toEqual([503, '1']);
    expect(large.json<Problem>().detail).toBe('The service expected at most 1000 bytes of requests at once, received 991 bytes more than the 12 that are held already; try again when Retry-After has passed'); // prettier-ignore
    const headers = { 'content-type': 'application/json' };
    const stream = (text: string) => app.inject({ method: 'POST', url: '/v1/predict', payload: Readable.from([Buffer.from('{"text":'), Buffer.from(text)]), headers }); // prettier-ignore
    const endless = await stream(`"${'x'.repeat(982)}`);
    expect([endless.statusCode, endless.json<Problem>().detail]).toEqual([503, expect.stringMatching(/received 9\d\d bytes more than the \d+ that/)]); // prettier-ignore
    const second = stream('"b"}');
    await expect.poll(() => metric(app, 'drf_body_bytes')).toBe(24);
    await judge.answerOne();
    await judge.answerOne();
    expect([(await first).statusCode, (await second).statusCode]).toEqual([200, 200]);
    expect(await metric(app, 'drf_body_bytes')).toBe(0);
  });

  it('refuses a form that grows over the limit without saying so', async () => {
    const app = await openService({ limits: { bodyBytes: 1000 } });
    const head = Buffer.from('--b\r\ncontent-disposition: form-data; name="text"\r\n\r\n');
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    for (const [bytes, status] of [[1000, 200], [1001, 413], [50_000, 413]] as const) {
      const payload = Readable.from([head, Buffer.alloc(bytes, 'a'), Buffer.from('\r\n--b--\r\n')]);
      expect((await app.inject({ method: 'POST', url: '/v1/predict', payload, headers })).statusCode).toBe(status);
    }
  }); // prettier-ignore

  it('gives no client more than its share of places and bytes', async () => {
    const judge = new HeldJudge();
    const limits = { waitingPosts: 10, batchPosts: 2, bodyBytes: 100, totalBodyBytes: 1000, clientShare: 0.3 };
    const app = await openService({ judge, limits, trustProxy: ['loopback'] });
    const from = (address: string, text: string) =>
      app.inject({ method: 'POST', url: '/v1/predict', payload: { text }, headers: { 'x-forwarded-for': address } });
    const accepted: ReturnType<typeof from>[] = [];
    const line = async (address: string, text: string): Promise<void> => {
      accepted.push(from(address, text));
      await expect.poll(() => metric(app, 'drf_waiting_posts')).toBe(accepted.length);
    };
    for (const text of ['a', 'b', 'c']) await line('192.0.2.1', text);
    const refused = await from('192.0.2.1', 'd');
    expect([refused.statusCode, refused.headers['retry-after'], refused.json<Problem>().detail]).toEqual([
      429,
      '1',
      'The service expected at most 3 posts waiting of one client, received 1 more than the 3 that wait already; try again when Retry-After has passed',
    ]);
    // one household, one share; another address, another
    for (const [i, text] of ['e', 'f', 'g'].entries()) await line(`2001:db8::${i + 1}`, text);
    expect((await from('2001:db8:0:0:ff::9', 'h')).statusCode).toBe(429);
    await line('2001:db8:0:1::1', 'i');
    for (let i = 0; i < 7; i++) await judge.answerOne();
    for (const answer of accepted) expect((await answer).statusCode).toBe(200);
    // the first came first; then one client after the other
    expect(judge.seen.map(({ text }) => text)).toEqual(['a', 'b', 'e', 'i', 'c', 'f', 'g']);
  });

  it('bounds the bytes of one client', async () => {
    const judge = new HeldJudge();
    const limits = { bodyBytes: 100, totalBodyBytes: 1000, clientShare: 0.15 };
    const app = await openService({ judge, limits, trustProxy: ['loopback'] });
    const from = (address: string) =>
      app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'x'.repeat(80) }, headers: { 'x-forwarded-for': address } }); // prettier-ignore
    const accepted = [from('192.0.2.1')];
    await expect.poll(() => metric(app, 'drf_body_bytes')).toBe(91);
    const refused = await from('192.0.2.1');
    expect([refused.statusCode, refused.json<Problem>().detail]).toEqual([429, expect.stringMatching(/^The service expected at most 150 bytes of requests at once from one client, received 91 bytes more than the 91/)]); // prettier-ignore
    accepted.push(from('192.0.2.2'));
    await judge.answerOne();
    await judge.answerOne();
    for (const answer of accepted) expect((await answer).statusCode).toBe(200);
  });

  it('says internal errors without what is inside, and is not ready after three in a row', async () => {
    let works = false;
    const lines: string[] = [];
    const judge = {
      ...instantJudge,
      judge: async (post: Parameters<typeof judgmentOf>[0]) => {
        if (!works) throw new Error('secret place /home/someone \u001b]0;x\u0007 \u009b2J');
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
    expect(log).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f]/);
    expect(JSON.parse(lines.at(-2) as string)).toMatchObject({ level: 'info', method: 'POST', route: '/v1/predict', status: 200 }); // prettier-ignore
  });
});

it('runs so many at once, and takes clients in turns, each in its order', async () => {
  const limit = new FairLimit(() => 2);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const run = (client: string, name: string) =>
    limit.run(client, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => run(name[0] as string, name));
  for (let i = 0; i < all.length; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toHaveLength(Math.min(all.length, i + 2));
    ends.shift()?.();
  }
  await Promise.all(all);
  expect(started).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2']);
});

it('fills its places by turns when it may run more, and empties them when it may run fewer', async () => {
  let most = 1;
  const limit = new FairLimit(() => most);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const run = (name: string) =>
    limit.run(name[0] as string, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const all = ['a1', 'a2', 'a3', 'b1'].map(run);
  most = 3;
  all.push(run('b2'));
  await settle();
  expect(started).toEqual(['a1', 'a2', 'b1']);
  most = 1;
  for (const count of [3, 3, 4]) {
    ends.shift()?.();
    await settle();
    expect(started).toHaveLength(count);
  }
  for (let i = 0; i < 2; i++) {
    ends.shift()?.();
    await settle();
  }
  await Promise.all(all);
  expect(started).toEqual(['a1', 'a2', 'b1', 'a3', 'b2']);
});

it('gives the place back when a task fails', async () => {
  const limit = new FairLimit(() => 1);
  await expect(limit.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await limit.run('a', async () => 'yes')).toBe('yes');
});
