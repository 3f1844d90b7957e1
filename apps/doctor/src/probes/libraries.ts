import type { Finding } from '../finding.js';
import type { Machine } from '../machine.js';

const TOPIC = 'Libraries';

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;

async function libraryFinding(
  machine: Machine,
  name: string,
  whenMissing: 'problem' | 'warning',
  purpose: string,
): Promise<Finding> {
  try {
    return { topic: TOPIC, subject: name, mark: 'good', found: await machine.loadPackage(name) };
  } catch (error) {
    const advice = `${purpose}; run "pnpm install" on this machine, so that the parts for ${machine.platform} are there`;
    return { topic: TOPIC, subject: name, mark: whenMissing, found: `does not load: ${firstLine(error)}`, advice };
  }
}

/** Packages with native parts, which may be missing for a platform or copied from another one. */
export async function probeLibraries(machine: Machine): Promise<Finding[]> {
  return [
    await libraryFinding(machine, 'sharp', 'problem', 'images cannot be decoded without it'),
    await libraryFinding(machine, 'onnxruntime-node', 'warning', 'the engine "compiled" needs it'),
  ];
}
