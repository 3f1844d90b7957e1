import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** A fresh folder for each test. */
export function useFolder(): () => string {
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-tensorflow-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}
