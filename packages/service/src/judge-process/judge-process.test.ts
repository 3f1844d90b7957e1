// Processes that start, are held, end and are replaced.
import { deflateSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { decodeImage } from '@drf/preprocessing';
import { UnavailableError } from '@drf/tensor';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { RequestError } from '../errors.js';
import type { Problem } from '../schemas.js';
import { answerOf, judgmentOf, openService } from '../testing/service.js';
import { JudgeProcess, type JudgeProcessEnd, type JudgeProcessOptions } from './judge-process.js';

const FROM_SOURCE = ['--conditions=source', '--import', new URL('../../../../scripts/from-source.mjs', import.meta.url).href]; // prettier-ignore
const MODULE = new URL('../testing/fake-judge.ts', import.meta.url).href;

const open: JudgeProcess[] = [];
afterEach(async () => void (await Promise.all(open.splice(0).map((judge) => judge.close()))));

async function start(options: Partial<JudgeProcessOptions> = {}) {
  const ends: JudgeProcessEnd[] = [];
  const halved: number[] = [];
  const judge = await JudgeProcess.start({
    module: MODULE,
    open: ['work'],
    execArgv: FROM_SOURCE,
    onEnd: (end) => void ends.push(end),
    onHalved: (preferredBatch) => void halved.push(preferredBatch),
    ...options,
  });
  open.push(judge);
  return { judge, ends, halved };
}

const post = (text: string) => ({ text, image: null });
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
};

describe('a judge’s process', { timeout: 240_000 }, () => {
  it('answers as the judge does, and hands on its errors', async () => {
    const { judge, ends } = await start();
    const bytes = await sharp({ create: { width: 9, height: 5, channels: 3, background: '#a04030' } }).png().toBuffer(); // prettier-ignore
    const image = await judge.decode('an image', bytes, 1000);
    expect(image).toEqual(await decodeImage('an image', bytes, { width: 8, height: 8, fit: 'stretch', maximumPixels: 1000 })); // prettier-ignore
    expect(await judge.judge({ text: 'a', image })).toEqual(judgmentOf({ text: 'a', image }));
    await expect(judge.judge(post('cannot'))).rejects.toMatchObject({ name: 'DataError', message: 'its text expected sense, received none' }); // prettier-ignore
    await expect(judge.decode('an image', deflateSync('x'), 1000)).rejects.toMatchObject({ name: 'ImageError', reason: 'undecodable image' }); // prettier-ignore
    await expect(judge.decode('an image', bytes, 10)).rejects.toMatchObject({ reason: 'image too large' });
    expect(judge.process).toEqual({ isReady: true, restarts: 0, residentBytes: expect.any(Number) as number });
    expect(judge.process.residentBytes).toBeGreaterThan(2 ** 24);
    expect(ends).toEqual([]);
  });

  it('that is held by a post is replaced; that post is told so, others are answered', async () => {
    const { judge, ends } = await start({ milliseconds: 2000 });
    const app = await openService({ judge, limits: { answerMilliseconds: 60_000 } });
    const send = (text: string) => app.inject({ method: 'POST', url: '/v1/predict', payload: { text } });
    const held = send('hold the thread');
    const others = ['a', 'b', 'c'].map(send);
    let isHeld = true;
    void held.then(() => (isHeld = false));
    expect((await app.inject({ url: '/healthz' })).statusCode).toBe(200);
    expect(isHeld).toBe(true); // answered meanwhile, not after
    const answer = await held;
    expect([answer.statusCode, answer.json<Problem>().detail]).toEqual([504, 'The service expected to judge a post within 2000 ms, received one that takes longer; send another; this one would take as long again']); // prettier-ignore
    expect((await app.inject({ url: '/readyz' })).statusCode).toBe(503);
    for (const [i, other] of others.entries()) {
      expect((await other).json()).toEqual(answerOf(post(['a', 'b', 'c'][i] as string)));
    }
    expect((await app.inject({ url: '/readyz' })).statusCode).toBe(200);
    expect((await app.inject({ url: '/metrics' })).payload).toMatch(/drf_judge_restarts 1\n/);
    expect(ends).toEqual([{ how: 'signal SIGKILL', restartInMilliseconds: 0 }]);
  });

  it('that is held by a post decodes images of others after it was replaced', async () => {
    const { judge } = await start({ milliseconds: 2000 });
    const bytes = await sharp({ create: { width: 9, height: 5, channels: 3, background: '#a04030' } }).png().toBuffer(); // prettier-ignore
    const early = judge.judge(post('hold the thread'));
    early.catch(() => undefined);
    const image = await judge.decode('an image', bytes, 1000);
    expect(image.data).toHaveLength(8 * 8 * 3);
    await expect(early).rejects.toMatchObject({ code: 'answer-timeout' });
  });

  it('that does not answer is replaced, too, at once however often', async () => {
    const { judge, ends } = await start({ milliseconds: 1500 });
    for (let i = 0; i < 2; i++) {
      await expect(judge.judge(post('never answer'))).rejects.toMatchObject({ code: 'answer-timeout' });
      expect(await judge.judge(post('a'))).toEqual(judgmentOf(post('a')));
    }
    expect(ends.map(({ restartInMilliseconds }) => restartInMilliseconds)).toEqual([0, 0]);
  });

  it('that is held by one of several posts tells only that one so, and judges several again', async () => {
    const { judge, ends, halved } = await start({ open: ['work on 4'], milliseconds: 2000 });
    const app = await openService({ judge, limits: { answerMilliseconds: 120_000 } });
    const texts = ['hold the thread', 'a', 'b', 'c'];
    const batch = app.inject({
      method: 'POST',
      url: '/v1/predict/batch',
      payload: { posts: texts.map((text) => ({ text })) },
    });
    const settled: string[] = [];
    void batch.then(() => settled.push('batch'));
    await until(() => ends.length === 1);
    const newcomer = judge.judge(post('d')).then(() => settled.push('newcomer'));
    const [held, ...others] = (await batch).json<{ readonly answers: object[] }>().answers;
    expect(held).toMatchObject({ problem: { code: 'answer-timeout', status: 504 } });
    expect(others).toEqual(texts.slice(1).map((text) => ({ judgment: judgmentOf(post(text)) })));
    await newcomer;
    expect(settled).toContain('newcomer');
    expect(ends.map(({ how }) => how)).toEqual(['signal SIGKILL', 'signal SIGKILL']);
    expect([judge.info.preferredBatch, halved]).toEqual([4, []]);
  });

  it('that is held by two of several posts tells both, whatever their order, and lets newcomers wait', async () => {
    const { judge, ends } = await start({ open: ['work on 4'], milliseconds: 2000 });
    const settled: string[] = [];
    const ask = async (text: string) => {
      try {
        expect(await judge.judge(post(text))).toEqual(judgmentOf(post(text)));
        settled.push(text);
      } catch (error) {
        settled.push(`${text}: ${(error as RequestError).code}`);
      }
    };
    const first = ['never answer', 'hold the thread', 'a', 'b'].map(ask);
    await until(() => ends.length === 1);
    await Promise.all([...first, ask('newcomer')]);
    expect(settled).toEqual(['never answer: answer-timeout', 'hold the thread: answer-timeout', 'a', 'b', 'newcomer']);
    expect(ends.map(({ restartInMilliseconds }) => restartInMilliseconds)).toEqual([0, 0, 0]);
  });

  it('that ends with one of several posts tells only that one so; others wait for the next process', async () => {
    const { judge, ends } = await start({ open: ['work on 4'] });
    const [ended, ...others] = await Promise.allSettled(['end', 'a', 'b', 'c'].map((text) => judge.judge(post(text))));
    expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'restarting', status: 503 } });
    expect(others).toEqual(['a', 'b', 'c'].map((text) => ({ status: 'fulfilled', value: judgmentOf(post(text)) })));
    expect(ends).toEqual([
      { how: 'exit code 3', restartInMilliseconds: 0 },
      { how: 'exit code 3', restartInMilliseconds: 1000 },
    ]);
    expect(judge.info.preferredBatch).toBe(4);
  });

  it('that is held by several posts, and by none of them alone, answers all and takes half as many from then on', async () => {
    const { judge, ends, halved } = await start({ open: ['work on 4'], milliseconds: 2000 });
    const only = post('only alone');
    expect(await Promise.all([judge.judge(only), judge.judge(only)])).toEqual([judgmentOf(only), judgmentOf(only)]);
    expect([ends.length, judge.info.preferredBatch]).toEqual([1, 2]);
    await until(() => halved.length > 0);
    expect(halved).toEqual([2]); // told once, however many posts it was
  });

  it('that takes several posts in turn has the whole time for each', async () => {
    const { judge, ends } = await start({ open: ['work on 4'], milliseconds: 2000 });
    const slow = post('a second, in turn');
    await Promise.all([1, 2, 3, 4].map(() => judge.judge(slow)));
    expect(ends).toEqual([]);
  });

  it('tells posts that wait for the next process when it is closed before that', async () => {
    const { judge, ends } = await start({ open: ['work on 4'] });
    const asked = Promise.allSettled(['end', 'a'].map((text) => judge.judge(post(text))));
    await until(() => ends.length === 2);
    await judge.close();
    const restarting = { status: 'rejected', reason: { code: 'restarting' } };
    expect(await asked).toMatchObject([restarting, restarting]);
  });

  it('that ends is started anew, and waits before that when it ends again', async () => {
    const { judge, ends } = await start();
    const refused = { code: 'restarting', status: 503 };
    await expect(judge.judge(post('end'))).rejects.toMatchObject(refused);
    expect(await judge.judge(post('a'))).toEqual(judgmentOf(post('a'))); // waits for the new one
    const { label } = await judge.judge(post('its process'));
    process.kill(Number(label), 'SIGKILL');
    await until(() => ends.length === 2);
    expect(ends).toEqual([
      { how: 'exit code 3', restartInMilliseconds: 0 },
      { how: 'signal SIGKILL', restartInMilliseconds: 1000 },
    ]);
    await expect(judge.judge(post('a'))).rejects.toMatchObject(refused);
    await until(() => judge.process.isReady);
    expect(await judge.judge(post('a'))).toEqual(judgmentOf(post('a')));
    expect(judge.process.restarts).toBe(2);
  });

  it('tells why it cannot start', async () => {
    await expect(start({ open: ['refuse'] })).rejects.toThrow('The run expected to be there, received nothing');
    const ended = start({ open: ['end'] });
    await expect(ended).rejects.toThrow(/^The judge’s process expected to open the run, received the judge's process ended: exit code 7/); // prettier-ignore
    await expect(ended).rejects.toBeInstanceOf(UnavailableError);
  });

  it('ends when it is told to, and answers no more', async () => {
    const { judge, ends } = await start();
    const { label } = await judge.judge(post('its process'));
    await judge.close();
    expect(() => process.kill(Number(label), 0)).toThrow('ESRCH');
    await expect(judge.judge(post('a'))).rejects.toBeInstanceOf(RequestError);
    expect(ends).toEqual([]);
  });

  it('ends with its parent, even while it is held', async () => {
    const { fork } = await import('node:child_process');
    const parent = fork(fileURLToPath(new URL('../testing/parent.ts', import.meta.url)), { execArgv: FROM_SOURCE });
    const child = await new Promise<number>((resolve) => parent.once('message', (pid) => resolve(Number(pid))));
    process.kill(child, 0);
    parent.kill('SIGKILL');
    const isThere = (): boolean => {
      try {
        return process.kill(child, 0);
      } catch {
        return false;
      }
    };
    await until(() => !isThere());
  });
});
