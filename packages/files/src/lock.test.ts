import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertUnlocked, lockFile } from './index.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-lock-'));
  path = join(folder, 'run.lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = (holder: object): Promise<void> => writeFile(path, JSON.stringify(holder));

describe('lockFile', () => {
  it('lets one holder in at a time, and the next one when it is released', async () => {
    const first = await lockFile(path, 'Run folder a');
    await expect(lockFile(path, 'Run folder a')).rejects.toThrow(
      `Run folder a expected one program at a time that writes it, received process ${process.pid} at work; wait for it`,
    );
    await expect(assertUnlocked(path, 'Run folder a')).rejects.toThrow(/at work/);
    await first.release();
    await first.release();
    await assertUnlocked(path, 'Run folder a');
    const second = await lockFile(path, 'Run folder a');
    await first.release(); // is not its any more
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ process: process.pid, host: hostname() });
    await second.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('lets exactly one of many in', async () => {
    await write({ process: 2 ** 30, started: null, host: hostname() }); // one that ended
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockFile(path, 'x')));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['run.lock']);
  });

  it('lets one in where a process was killed while it took a lock without a holder away', async () => {
    await write({ process: 2 ** 30, started: null, host: hostname() });
    await writeFile(`${path}.guard`, '');
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(`${path}.guard`, longAgo, longAgo);
    await (await lockFile(path, 'x')).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('counts a lock of a killed process for nothing, and one of a living process of the same id by its start', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    await write({ process: child.pid, started: null, host: hostname() });
    await expect(lockFile(path, 'x')).rejects.toThrow(`process ${child.pid} at work`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await lockFile(path, 'x')).release();

    if (process.platform === 'linux') {
      await write({ process: process.pid, started: '1', host: hostname() });
      await (await lockFile(path, 'x')).release();
    }
  });

  it('takes a lock of another machine for held while it is touched', async () => {
    await write({ process: 1, started: null, host: 'elsewhere' });
    await expect(lockFile(path, 'x')).rejects.toThrow('process 1 on elsewhere at work');
    const longAgo = new Date(Date.now() - 600_000);
    await utimes(path, longAgo, longAgo);
    await (await lockFile(path, 'x')).release();
  });

  it('waits for no lock whose writing was cut short, nor for anything else that lies there', async () => {
    await writeFile(path, '');
    await expect(lockFile(path, 'x')).rejects.toThrow('another process at work'); // it may be being written
    const earlier = new Date(Date.now() - 10_000);
    await utimes(path, earlier, earlier);
    await (await lockFile(path, 'x')).release();
    await writeFile(path, 'null');
    await (await lockFile(path, 'x')).release();
  });
});
