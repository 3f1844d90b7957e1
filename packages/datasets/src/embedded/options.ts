import { ConfigurationError } from '@drf/tensor';

/** How many posts the embedded data set draws, and from what seed. */
export interface EmbeddedOptions {
  /** Decides every draw: vocabulary split, posts, rendering. */
  readonly seed: number;
  /** Posts that each split keeps. */
  readonly train: number;
  readonly val: number;
  readonly test: number;
  /** Share of posts whose image is drawn from another sentiment than their text, in [0, 1]. */
  readonly mismatch: number;
}

/** 840 posts by seed 1, of which 30 % mismatch. */
export const DEFAULT_EMBEDDED_OPTIONS: EmbeddedOptions = { seed: 1, train: 480, val: 120, test: 240, mismatch: 0.3 };

/** @throws ConfigurationError naming the option that is out of range */
export function embeddedOptions(options: Partial<EmbeddedOptions> = {}): EmbeddedOptions {
  const all = { ...DEFAULT_EMBEDDED_OPTIONS, ...options };
  for (const name of ['train', 'val', 'test'] as const) check(name, all[name], 'a whole number from 0', isCount);
  check('seed', all.seed, 'a whole number', Number.isSafeInteger);
  check('mismatch', all.mismatch, 'a share from 0 to 1', (value) => value >= 0 && value <= 1);
  return all;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function check(name: string, value: number, expected: string, isRight: (value: number) => boolean): void {
  if (isRight(value)) return;
  throw new ConfigurationError({ subject: `Embedded data set option ${name}`, expected, received: String(value) });
}
