import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import {
  epochsAt,
  finishing,
  nextWave,
  ranked,
  rungsOf,
  winner,
  type HalvingOptions,
  type RungScore,
} from './halving.js';

const OPTIONS: HalvingOptions = { eta: 3, rungs: 3, trainings: 20, ownMayWin: true };
const score = (trial: number, rung: number, value: number | null, loss = 0): RungScore => ({ trial, rung, score: value, loss }); // prettier-ignore

describe('rungs', () => {
  it('are as many as epochs allow, and three at most', () => {
    expect([1, 2, 3, 8, 9, 20, 100].map((epochs) => rungsOf(epochs, 3))).toEqual([1, 1, 2, 2, 3, 3, 3]);
    expect(rungsOf(100, 1)).toBe(1);
  });

  it('stand at shares of the whole training', () => {
    const at = (epochs: number): number[] => [0, 1, 2].map((rung) => epochsAt(rung, epochs, OPTIONS));
    expect([at(9), at(20), at(27)]).toEqual([
      [1, 3, 9],
      [3, 7, 20],
      [3, 9, 27],
    ]);
  });
});

it('ranks by score, then loss, then the earlier trial; failures last', () => {
  const scores = [
    score(0, 0, null),
    score(1, 0, 0.5, 2),
    score(2, 0, 0.5, 1),
    score(3, 0, 0.5, 1),
    score(4, 0, 0.9, 9),
  ];
  expect(ranked(scores).map(({ trial }) => trial)).toEqual([4, 2, 3, 1, 0]);
});

/** Plays a tuning through. @param qualityOf what a trial scores, at every rung */
function play(qualityOf: (trial: number) => number | null, options: HalvingOptions, shuffle = false): RungScore[] {
  const scores: RungScore[] = [];
  const random = createRandom(1);
  for (let wave = nextWave(scores, options); wave.length > 0; wave = nextWave(scores, options)) {
    const order = shuffle ? random.shuffle(wave) : wave;
    scores.push(...order.map(({ trial, rung }) => score(trial, rung, qualityOf(trial))));
  }
  return scores;
}

describe('waves', () => {
  it('begin with nine trials, of which the best third goes on, and the experiment’s own options in any case', () => {
    const first = nextWave([], OPTIONS);
    expect(first).toEqual(Array.from({ length: 9 }, (_, trial) => ({ trial, rung: 0 })));
    const scores = first.map(({ trial }) => score(trial, 0, trial / 10)); // 6, 7 and 8 are best
    const second = nextWave(scores, OPTIONS);
    expect(
      second
        .filter(({ rung }) => rung === 1)
        .map(({ trial }) => trial)
        .sort(),
    ).toEqual([0, 6, 7, 8]);
    expect(second.filter(({ rung }) => rung === 0).map(({ trial }) => trial)).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17]); // prettier-ignore
  });

  it('reach each rung once with each trial, from rung to rung, and one in three goes on', () => {
    const scores = play((trial) => (trial * 7) % 20, OPTIONS);
    const places = scores.map(({ trial, rung }) => `${trial} ${rung}`);
    expect(new Set(places).size).toBe(places.length);
    const at = (rung: number): number[] => scores.filter((own) => own.rung === rung).map(({ trial }) => trial);
    expect(at(0)).toHaveLength(20);
    expect(at(1).every((trial) => at(0).includes(trial))).toBe(true);
    expect(at(2).every((trial) => at(1).includes(trial))).toBe(true);
    const best = scores.filter(({ rung }) => rung === 0).reduce((a, b) => ((b.score ?? 0) > (a.score ?? 0) ? b : a));
    expect(winner(scores, OPTIONS)?.trial).toBe(best.trial);
    expect(at(1).length).toBeLessThanOrEqual(10);
  });

  it('do not depend on the order in which results come', () => {
    const quality = (trial: number): number => Math.sin(trial * 3);
    const sorted = (scores: readonly RungScore[]): string[] => scores.map((own) => JSON.stringify(own)).sort();
    expect(sorted(play(quality, OPTIONS, true))).toEqual(sorted(play(quality, OPTIONS)));
  });

  it('go on with further trials where the limit was raised', () => {
    const quality = (trial: number): number => trial;
    const scores = play(quality, { ...OPTIONS, trainings: 9 });
    const more = nextWave(scores, OPTIONS);
    expect(more.filter(({ rung }) => rung === 0).map(({ trial }) => trial)).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17]); // prettier-ignore
  });

  it('train all in full where none is left out', () => {
    const scores = play((trial) => trial, { eta: 1, rungs: 1, trainings: 12, ownMayWin: true });
    expect(scores).toHaveLength(12);
    expect(winner(scores, { rungs: 1, ownMayWin: true })?.trial).toBe(11);
  });

  it('leave failed trials behind', () => {
    const scores = play((trial) => (trial === 19 ? null : trial), OPTIONS);
    expect(scores.filter(({ trial }) => trial === 19)).toHaveLength(1);
    expect(winner(scores, OPTIONS)?.trial).toBe(18);
    expect(
      winner(
        play(() => null, OPTIONS),
        OPTIONS,
      ),
    ).toBeUndefined();
  });

  it.each([2, 3, 4, 5, 10])('end with a sampled trial in full, also of %i', (trainings) => {
    const scores = play((trial) => trial, { ...OPTIONS, trainings });
    const whole = scores.filter(({ rung }) => rung === 2).map(({ trial }) => trial);
    expect(whole).toContain(0);
    expect(whole.length).toBeGreaterThanOrEqual(2);
    expect(winner(scores, OPTIONS)?.trial).toBe(trainings - 1);
  });
});

it('the experiment’s own options win only where they lie among what is searched', () => {
  const scores = play((trial) => -trial, OPTIONS);
  expect(winner(scores, OPTIONS)?.trial).toBe(0);
  expect(winner(scores, { ...OPTIONS, ownMayWin: false })?.trial).toBe(1);
  expect(finishing(scores, OPTIONS)).toEqual([]);
  expect(finishing([score(0, 0, 1), score(1, 0, 0.2), score(2, 0, 0.3)], OPTIONS)).toEqual([
    { trial: 0, rung: 2 },
    { trial: 2, rung: 2 },
  ]);
});
