import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export const execute = promisify(execFile);

/** The first of several programs that is on the path. */
export async function findProgram(names: readonly string[]): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const path of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** A Python that has ONNX's own package: Debian's, where another one comes first on the path. */
export async function findPythonWithOnnx(): Promise<string | undefined> {
  for (const python of ['python3', '/usr/bin/python3']) {
    const works = await execute(python, ['-c', 'import onnx'], { timeout: 60_000 }).then(
      () => true,
      () => false,
    );
    if (works) return python;
  }
  return undefined;
}
