import { describe, expect, it } from 'vitest';
import { GroupMetrics, Metrics } from './metrics.js';
import { RestartDelay } from './restart-delay.js';
import { judgmentOf } from './testing/service.js';

/** Metrics of a worker that judges texts. */
function worker(number: number) {
  const group = { worker: number, workers: 2, restarts: () => 3, primaryResidentBytes: () => 7 };
  return new Metrics({ waitingPosts: () => number, bodyBytes: () => 0, judgeIsReady: () => true, judge: null, group });
}

function judged(metrics: Metrics, posts: number): void {
  for (let i = 0; i < posts; i++) metrics.onJudgment({ ...judgmentOf({ text: `${i}`, image: null }), label: 'good', quality: { image: null, text: (i + 0.5) / posts } }); // prettier-ignore
}

const value = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
};

describe('the metrics of several workers', () => {
  it('are sums where they count, and never fall when one of them ends', async () => {
    const [one, two] = [worker(1), worker(2)];
    const all = new GroupMetrics();
    judged(one, 300);
    judged(two, 500);
    const update = async (): Promise<string> => {
      all.update(1, await one.json());
      return all.text();
    };
    all.update(2, await two.json());
    const both = await update();
    expect(value(both, 'drf_judgments_total{label="good"}')).toBe(800);
    expect(value(both, 'drf_quality_bucket{le="0.1",modality="text"}')).toBe(80);
    expect(value(both, 'drf_quality_count{modality="text"}')).toBe(800);
    expect(value(both, 'drf_waiting_posts')).toBe(3);
    expect(value(both, 'drf_workers')).toBe(2);
    expect(value(both, 'drf_judge_ready')).toBe(2);
    expect(value(both, 'drf_workers_wanted')).toBe(2);
    expect(value(both, 'drf_worker_restarts')).toBe(3);
    expect(value(both, 'drf_quality_psi{modality="text"}')).toBeCloseTo(0, 6);
    expect(value(both, 'drf_quality_psi{modality="image"}')).toBeUndefined();
    expect(value(both, 'drf_process_resident_memory_bytes{worker="none",process="primary"}')).toBe(7);
    expect(both.match(/^drf_process_resident_memory_bytes\{worker="\d",process="serve"\} \d+$/gm)).toHaveLength(2);

    all.end(2);
    all.end(3); // which never said anything
    judged(one, 10);
    const alone = await update();
    expect(value(alone, 'drf_judgments_total{label="good"}')).toBe(810);
    expect(value(alone, 'drf_quality_count{modality="text"}')).toBe(810);
    expect(value(alone, 'drf_workers')).toBe(1);
    expect(value(alone, 'drf_waiting_posts')).toBe(1);
    all.end(1);
    expect(value(await all.text(), 'drf_judgments_total{label="good"}')).toBe(810);
  });
});

describe('the metrics of one process', () => {
  it('count images and texts that look corrupted, each by itself, and not what is unknown', async () => {
    const metrics = worker(1);
    const post = judgmentOf({ text: 'x', image: null });
    const states = [
      [0.1, 0.9],
      [0.49, 0.5],
      [null, 0.2],
      [null, null],
    ] as const;
    for (const [image, text] of states) metrics.onJudgment({ ...post, intact: { image, text } });
    const told = await metrics.metrics();
    expect(value(told, 'drf_corrupted_total{modality="image"}')).toBe(2);
    expect(value(told, 'drf_corrupted_total{modality="text"}')).toBe(1);
  });
});

describe('RestartDelay', () => {
  it('is none at first and after a long life, and doubles up to 30 s', () => {
    const delay = new RestartDelay();
    const waits = Array.from({ length: 8 }, () => delay.next(10));
    expect(waits).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect([delay.next(60_000), delay.next(10)]).toEqual([0, 1_000]);
  });

  it('is none for who was ended on purpose', () => {
    const delay = new RestartDelay();
    expect([delay.next(10), delay.next(10), delay.next(10, false), delay.next(10)]).toEqual([0, 1_000, 0, 0]);
  });
});
