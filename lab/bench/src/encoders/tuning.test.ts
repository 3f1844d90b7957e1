import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { writeModel } from './testing/random-model.js';
import { measureTuning, tuningCases } from './tuning.js';

const TINY = { batch: 2, length: 16, image: 16, patch: 8, dim: 8, layers: 3, heads: 2, vocabulary: 20 };

describe('bench tuning', () => {
  it('takes frozen layers in the step and kept ones in turns', () => {
    expect(tuningCases('bert', ['all', 2])).toEqual([
      { part: 'bert', layers: 'all', cached: false },
      { part: 'bert', layers: 2, cached: false },
      { part: 'bert', layers: 2, cached: true },
    ]);
  });

  it.each(['bert', 'vit'] as const)(
    'measures a step of %s, and trains fewer parameters with fewer layers',
    async (part) => {
      const folder = await writeModel(part, TINY);
      const reports = [];
      for (const own of tuningCases(part, ['all', 1])) {
        reports.push(await measureTuning(own, folder, TINY, { calls: 1, warmUp: 1 }));
      }
      await rm(folder, { recursive: true });
      const [all, inStep, kept] = reports;
      expect(
        reports.every(
          ({ seconds, cpuSeconds, peakMegabytes }) => Math.min(seconds, cpuSeconds) > 0 && peakMegabytes > 50,
        ),
      ).toBe(true);
      expect(inStep?.trainedParameters).toBeLessThan((all?.trainedParameters as number) / 2);
      expect(kept?.trainedParameters).toBe(inStep?.trainedParameters);
      expect([all?.secondsAContent, kept?.secondsAContent]).toEqual([null, expect.any(Number)]);
    },
  );
});
