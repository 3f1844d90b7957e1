import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

export const execute = promisify(execFile);

/** The first Python (of the variable PYTHON, or on the path) that runs a statement, such as an import. */
export async function findPython(statement: string): Promise<string | undefined> {
  const named = process.env['PYTHON'];
  for (const python of [...(named === undefined ? [] : [named]), 'python3', '/usr/bin/python3']) {
    const works = await execute(python, ['-c', statement], { timeout: 60_000 }).then(
      () => true,
      () => false,
    );
    if (works) return python;
  }
  return undefined;
}

/** A Python that has ONNX's own package: Debian's, where another one comes first on the path. */
export function findPythonWithOnnx(): Promise<string | undefined> {
  return findPython('import onnx');
}

/** An empty folder that goes when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'drf-export-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
