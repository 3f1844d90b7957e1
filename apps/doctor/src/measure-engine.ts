import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine, productRate, type EngineName } from '@drf/engine';
import { UnavailableError } from '@drf/tensor';
import { lastLines, runCommand } from '@drf/terminal';

export interface MeasuredEngine {
  readonly gflops: number;
  /** Of the library below it, where it says. */
  readonly version?: string;
  readonly gpu?: boolean;
}

/** @throws UnavailableError when the engine does not work here; NonFiniteError when it computes wrongly */
export type MeasureEngine = (name: EngineName) => Promise<MeasuredEngine>;

/** Runs from source or built, as this program does. */
const PROGRAM = fileURLToPath(new URL(`./measure-main${extname(import.meta.url)}`, import.meta.url));

/** A native library that does not fit the machine may end its process, so it is measured in another one. */
async function measureElsewhere(name: EngineName): Promise<MeasuredEngine> {
  const args = [...process.execArgv, PROGRAM, name];
  const result = await runCommand(process.execPath, args, { timeoutMilliseconds: 60_000 });
  const line = /^\{"gflops".*\}$/m.exec(result.stdout)?.[0];
  if (result.code === 0 && line !== undefined) return JSON.parse(line) as MeasuredEngine;
  throw new UnavailableError({
    subject: `Engine ${name}`,
    expected: 'to load and to compute',
    received: lastLines(result.stderr || `the process ended with ${result.code ?? 'a signal'}`, 1),
  });
}

export const measureEngine: MeasureEngine = async (name) => {
  if (name === 'eager:tensorflow') return measureElsewhere(name);
  const engine = await createEngine(name);
  try {
    return { gflops: await productRate(engine) };
  } finally {
    await engine.dispose();
  }
};
