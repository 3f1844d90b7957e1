import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage } from '@drf/storage';
import type { Plan, PublishedPlan, Unit } from '../contract.js';
import { publishPlan } from '../plan.js';
import type { TinyInput } from './tiny-unit.js';

/** The program `tiny-unit.ts`, and options of Node that run it from source. */
export const TINY_PROGRAM = new URL('./tiny-unit.ts', import.meta.url);
export const FROM_SOURCE = [
  '--conditions=source',
  '--import',
  new URL('../../../../scripts/from-source.mjs', import.meta.url).href,
];

/** A plan of tiny units, by what each does. */
export function tinyPlan(inputs: readonly (TinyInput | TinyInput['what'])[], more: Partial<Plan> = {}): Plan {
  const units = inputs.map((given, index): Unit => {
    const input = typeof given === 'string' ? { what: given } : given;
    return { address: `${index}`, output: `units/${index}.json`, stage: 0, label: `u${index}`, input };
  });
  const resources = { cores: 1, gpus: 0, memoryBytes: 0 };
  return { kind: 'tiny', code: 'tiny 1', resources, settings: 'shared', units, ...more };
}

/** A folder for outputs, which is gone after the use. */
export async function withPlan<Result>(
  plan: Plan,
  use: (published: PublishedPlan, folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-units-'));
  try {
    return await use(await publishPlan(await openStorage(folder), plan), folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How often a unit was begun, and by which processes. */
export async function triesOf(folder: string, index: number): Promise<string[]> {
  const text = await readFile(join(folder, `u${index}.tries`), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}
