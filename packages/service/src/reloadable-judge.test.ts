import { describe, expect, it } from 'vitest';
import { identityOf, ReloadableJudge } from './reloadable-judge.js';
import { HeldJudge, INFO, instantJudge, openService } from './testing/service.js';
import type { ServedJudge } from './work.js';

const source = (sha256: string) => ({ kind: 'run', folder: '/runs/x', checkpoint: 'x.safetensors', sha256 }) as const;
const infoOf = (sha256: string, name = 'tiny') => ({ ...INFO, name, sources: [source(sha256)] });

/** A judge that says whether it was closed. */
function watched(sha256: string, inner: ServedJudge = instantJudge) {
  const state = { closed: false };
  const judge: ServedJudge = {
    info: infoOf(sha256),
    judge: (post) => (state.closed ? Promise.reject(new Error('closed')) : inner.judge(post)),
    close: async () => void (state.closed = true),
  };
  return { judge, state };
}

describe('the version of a model', () => {
  it('is the beginning of its hash; of an ensemble, of all their hashes', () => {
    expect(identityOf(infoOf('ab'.repeat(32)))).toEqual({ name: 'tiny', version: 'abababababab' });
    expect(identityOf(infoOf('ab'.repeat(32)), 'mine').name).toBe('mine');
    expect(identityOf(infoOf('')).version).toBe('unknown');
    const [one, other] = [source('a'), source('b')];
    const version = (sources: (typeof one)[]) => identityOf({ ...INFO, sources }).version;
    expect(version([one, other])).toMatch(/^[0-9a-f]{12}$/);
    expect(version([one, other])).toBe('911169ddaaf1'); // printf 'a\nb\n' | sha256sum
    expect(version([one, other])).not.toBe(version([other, one]));
  });
});

describe('ReloadableJudge', () => {
  const ask = (app: Awaited<ReturnType<typeof openService>>, text: string) =>
    app.inject({ method: 'POST', url: '/v1/predict', payload: { text } });

  it('lets what was asked before be answered by the judge before, which is closed only then', async () => {
    const held = new HeldJudge();
    const [before, after] = [watched('1'.repeat(64), held), watched('2'.repeat(64))];
    const judge = new ReloadableJudge(before.judge, async () => after.judge);
    const app = await openService({ judge });
    const first = ask(app, 'a');
    const second = ask(app, 'b'); // waits in the line
    while (held.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const reload = judge.reload();
    while (judge.reloads.switched === 0) await new Promise((resolve) => setImmediate(resolve));
    const third = ask(app, 'c');
    expect((await app.inject({ url: '/v1/model' })).json()).toMatchObject({ model: { version: '222222222222' } });
    await held.answerOne();
    expect(before.state.closed).toBe(false);
    await held.answerOne();
    const versions = [await first, await second, await third].map((answer) => [
      answer.statusCode,
      answer.headers['x-model-version'],
      answer.json<{ model: object }>().model,
    ]);
    const model = (digit: string) => [200, digit.repeat(12), { name: 'tiny', version: digit.repeat(12) }];
    expect(versions).toEqual([model('1'), model('1'), model('2')]);
    expect(await reload).toEqual({ model: model('2')[2], before: model('1')[2] });
    expect([before.state.closed, after.state.closed]).toEqual([true, false]);
  });

  it('goes on with the judge that it has when the next cannot be opened, and says so in metrics', async () => {
    const before = watched('1'.repeat(64));
    let fails = true;
    const after = watched('2'.repeat(64));
    const judge = new ReloadableJudge(before.judge, async () => {
      if (fails) throw new Error('half a folder');
      return after.judge;
    });
    const app = await openService({ judge });
    const metrics = async () => (await app.inject({ url: '/metrics' })).payload;
    await expect(judge.reload()).rejects.toThrow('half a folder');
    expect((await ask(app, 'a')).headers['x-model-version']).toBe('111111111111');
    expect(await metrics()).toMatch(/drf_reload_failed 1\n[^]*drf_reloads_total\{result="refused"\} 1\n/);
    fails = false;
    await judge.reload();
    expect(await metrics()).toMatch(/drf_model_info\{name="tiny",version="222222222222",[^}]*\} 1\n/);
    expect(await metrics()).not.toContain('111111111111');
    expect(await metrics()).toMatch(/drf_reload_failed 0\n/);
    expect(before.state.closed).toBe(true);
  });

  it('makes one more reload of all that are asked for during one', async () => {
    let opened = 0;
    const judge = new ReloadableJudge(watched('0').judge, async () => watched(String(++opened)).judge);
    const results = await Promise.all([judge.reload(), judge.reload(), judge.reload()]);
    expect(results.map(({ model }) => model.version)).toEqual(['1', '2', '2']);
    expect(opened).toBe(2);
  });

  it('closes what is still being opened when it is closed', async () => {
    const after = watched('2');
    let open: () => void = () => undefined;
    const opening = new Promise<void>((resolve) => (open = resolve));
    const before = watched('1');
    const judge = new ReloadableJudge(before.judge, () => opening.then(() => after.judge));
    const reload = judge.reload();
    const closing = judge.close();
    open();
    await Promise.all([reload, closing]);
    expect([before.state.closed, after.state.closed]).toEqual([true, true]);
  });
});
