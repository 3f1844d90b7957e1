import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { BILLION, requests, simulate } from './billion.mjs';

const standard = Object.fromEntries(Object.entries(BILLION).map(([name, [value]]) => [name, Number(value)]));
/** Nothing is lost, all processes are equally fast, and starting takes no time. */
const ideal = {
  ...standard,
  ...{ posts: 1e6, 'shard-posts': 1e4, 'posts-per-second': 100, 'start-seconds': 0, 'speed-spread': 0 },
  ...{ 'straggler-share': 0, 'crash-share': 0, 'node-days': Infinity },
};

describe('the simulation of a queue of shards', () => {
  it('takes rounds of equal shards, as counted by hand, where nothing fails', () => {
    // 100 shards of 100 s by 8 processes: 13 rounds
    expect(simulate(ideal, 8, 1)).toMatchObject({ seconds: 1300, busy: 10_000, wasted: 0, tries: 100, done: 100 });
  });

  it('does every shard or gives it up, whatever fails', () => {
    const bad = { ...ideal, 'crash-share': 0.3, 'node-days': 0.02, tries: 2, 'speed-spread': 0.4 };
    const { done, givenUp, shards, tries, crashes, nodeFailures, busy, wasted } = simulate(bad, 40, 3);
    expect(done + givenUp).toBe(shards);
    expect(givenUp).toBeGreaterThan(0);
    expect(nodeFailures).toBeGreaterThan(0);
    expect(tries).toBeGreaterThanOrEqual(done + crashes);
    expect(wasted).toBeLessThan(busy);
  });

  it('gives up what dies again and again after as many tries as Ray and Slurm make', async () => {
    const { tries, givenUp, shards } = simulate({ ...ideal, 'crash-share': 1 }, 8, 1);
    expect([tries, givenUp]).toEqual([5 * shards, shards]);
    const driver = await readFile(new URL('../../packages/units/ray/driver.py', import.meta.url), 'utf8');
    expect(driver).toMatch(/^AGAIN_TRIES, LOST_TRIES = 3, 5\b/m);
    const slurm = await readFile(new URL('../../packages/units/src/runners/slurm.ts', import.meta.url), 'utf8');
    expect(slurm).toMatch(/^const LOST_TRIES = 5;/m);
  });

  it('is decided by its seed', () => {
    expect(simulate({ ...standard, posts: 1e7 }, 50, 5)).toEqual(simulate({ ...standard, posts: 1e7 }, 50, 5));
    expect(simulate({ ...standard, posts: 1e7 }, 50, 5)).not.toEqual(simulate({ ...standard, posts: 1e7 }, 50, 6));
  });

  it('waits for a node that fails until that is noticed', () => {
    // one shard of 100 s on one node, which fails after some seconds and is noticed 50 s later, once in a great while twice
    const one = {
      ...ideal,
      posts: 1e4,
      'node-days': 40 / 86_400,
      'detect-seconds': 50,
      'repair-minutes': 5,
      tries: 200,
    };
    const ran = simulate(one, 1, 2);
    expect(ran.nodeFailures).toBeGreaterThan(0);
    expect(ran.seconds).toBeGreaterThanOrEqual(100 + 300 * ran.nodeFailures);
    expect(ran.done).toBe(1);
  });
});

it('counts requests as by hand', () => {
  const options = {
    ...standard,
    posts: 1e5,
    'shard-posts': 1e5,
    'row-group': 250,
    'answer-bytes': 100,
    'part-bytes': 5e6,
  };
  // a try: plan, footer, 400 row groups; 2 parts, begun and completed, and the rejected rows. Planning: 2 GETs a shard,
  // a listing and the plan; two listings of what is there
  expect(requests(options, 1)).toMatchObject({ gets: 402 + 2, puts: 5 + 2 + 2 });
});
