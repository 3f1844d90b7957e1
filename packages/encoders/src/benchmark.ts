import { ConfigurationError } from '@drf/tensor';
import type { FrozenEncoder } from './contract.js';

/** How fast an encoder was. */
export interface EncoderBenchmark {
  readonly encoder: string;
  readonly contents: number;
  readonly seconds: number;
  /** Processor time of the same round; below or above `seconds` as the machine is shared or has many cores. */
  readonly cpuSeconds: number;
  readonly perSecond: number;
}

/**
 * How many contents a second an encoder handles, preprocessing included, in batches of its preferred size. Each shape
 * is met once before the clock starts, so that what is prepared on first use does not count.
 * @param rounds how often the contents are encoded; the fastest round counts
 * @throws ConfigurationError without contents or rounds
 */
export async function benchmarkEncoder<Content>(
  encoder: FrozenEncoder<Content>,
  contents: readonly Content[],
  rounds = 3,
): Promise<EncoderBenchmark> {
  if (contents.length === 0 || rounds < 1) {
    throw new ConfigurationError({
      subject: 'benchmarkEncoder',
      expected: 'at least one content and one round',
      received: `${contents.length} contents and ${rounds} rounds`,
    });
  }
  const size = encoder.preferredBatch ?? 16;
  const encodeAll = async (): Promise<void> => {
    for (let start = 0; start < contents.length; start += size)
      await encoder.encode(contents.slice(start, start + size));
  };
  await encodeAll();
  const measured: { readonly seconds: number; readonly cpuSeconds: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const cpu = process.cpuUsage();
    await encodeAll();
    const { user, system } = process.cpuUsage(cpu);
    measured.push({ seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 });
  }
  const fastest = measured.reduce((best, round) => (round.seconds < best.seconds ? round : best));
  return { encoder: encoder.id, contents: contents.length, ...fastest, perSecond: contents.length / fastest.seconds };
}
