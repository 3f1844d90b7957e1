import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { lockFile } from '@drf/files';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateOf, watchFolders } from './watch.js';

let folder: string;
let end: () => void;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-watch-'));
  for (const name of ['a', 'b']) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'card.json'), `{"name":"${name}"}`);
  }
});
afterEach(async () => {
  end();
  await rm(folder, { recursive: true, force: true });
});

const MILLISECONDS = 15;

async function watched(path: string) {
  const changes: number[] = [];
  const opened = await stateOf([path]);
  end = watchFolders([path], async () => void changes.push(performance.now()), { opened, milliseconds: MILLISECONDS });
  return changes;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error('it never happens');
    await wait(10);
  }
}

describe('watchFolders', () => {
  it('sees a link that leads elsewhere, a file that is replaced, and nothing else', async () => {
    const link = join(folder, 'current');
    await symlink('a', link);
    const changes = await watched(link);
    await writeFile(join(folder, 'a', 'metrics.jsonl'), '{}');
    await wait(10 * MILLISECONDS);
    expect(changes).toHaveLength(0);
    await symlink('b', join(folder, 'next'));
    await rename(join(folder, 'next'), link);
    await until(() => changes.length === 1);
    await writeFile(join(folder, 'b', 'new.json'), '{"name":"c"}');
    await rename(join(folder, 'b', 'new.json'), join(folder, 'b', 'card.json'));
    await until(() => changes.length === 2);
    await wait(10 * MILLISECONDS);
    expect(changes).toHaveLength(2);
  });

  it('waits until a folder that is being written stands still', async () => {
    const changes = await watched(join(folder, 'a'));
    const started = performance.now();
    let written = 0;
    for (let i = 1; i <= 30; i++) {
      await writeFile(join(folder, 'a', 'model.onnx'), 'x'.repeat(i));
      written = performance.now();
      await wait(MILLISECONDS / 3);
    }
    await until(() => changes.length > 0);
    expect(written - started).toBeGreaterThan(10 * (MILLISECONDS / 3));
    await wait(10 * MILLISECONDS);
    expect(changes.at(-1)).toBeGreaterThan(written); // what it saw last is whole
  });

  it('waits for a run that is being trained', async () => {
    const run = join(folder, 'a');
    const lock = await lockFile(join(run, 'run.lock'), 'the run');
    const changes = await watched(run);
    await writeFile(join(run, 'best.json'), '{}');
    await wait(15 * MILLISECONDS);
    expect(changes).toHaveLength(0);
    await lock.release();
    await until(() => changes.length === 1);
  });

  it('sees what changed between opening and watching', async () => {
    const path = join(folder, 'a');
    const opened = await stateOf([path]);
    await writeFile(join(path, 'calibration.json'), '{}');
    let changed = false;
    end = watchFolders([path], async () => void (changed = true), { opened, milliseconds: MILLISECONDS });
    await until(() => changed);
  });
});
