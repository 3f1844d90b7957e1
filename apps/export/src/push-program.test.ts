import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HUB_TOKEN, makeTinyRun, startPushHub, temporaryFolder } from '@drf/export/testing';
import { createPushProgram } from './push-program.js';

async function run(...args: string[]): Promise<string> {
  const printed: string[] = [];
  const program = createPushProgram((text) => void printed.push(text)).exitOverride();
  program.configureOutput({ writeOut: (text) => void printed.push(text), writeErr: () => undefined });
  await program.parseAsync(args, { from: 'user' });
  return printed.join('');
}

function environment(values: Readonly<Record<string, string>>): void {
  for (const name of ['HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HOME', 'HF_ENDPOINT']) vi.stubEnv(name, values[name] ?? '');
  onTestFinished(() => void vi.unstubAllEnvs());
}

describe('push on the command line', () => {
  it('says what would be sent, sends it, and says when there is nothing to do', async () => {
    const [hub, folder] = [await startPushHub(), await temporaryFolder()];
    environment({ HF_TOKEN: HUB_TOKEN, HF_ENDPOINT: hub.endpoint });
    const { path } = await makeTinyRun(join(folder, 'run'));
    await writeFile(join(path, 'posts.json'), '{}');
    const dry = await run(path, 'me/model', '--dry-run');
    expect(dry).toMatch(/would be sent[^]*checkpoints\/step-3\.safetensors[^]*Not sent: posts\.json\nNothing was sent/);
    expect(hub.requests).toEqual([]);
    const sent = await run(path, 'me/model', '--private', '--quiet');
    expect(sent).toMatch(
      /sent[^]*config\.json[^]*Commit [0-9a-f]{40} on main: http:\/\/127\.0\.0\.1:\d+\/me\/model\n$/,
    );
    expect(hub.repositories.get('me/model')?.isPrivate).toBe(true);
    const again = JSON.parse(await run(path, 'me/model', '--json')) as object;
    expect(again).toMatchObject({
      commit: null,
      sent: [],
      unchanged: ['checkpoints/step-3.safetensors', 'config.json'],
    });
    expect(`${dry}${sent}`).not.toContain(HUB_TOKEN);
  });

  it('takes the token of a file, or of the hub’s own program', async () => {
    const [hub, folder] = [await startPushHub(), await temporaryFolder()];
    environment({ HF_HOME: folder, HF_ENDPOINT: 'http://127.0.0.1:9' });
    const { path } = await makeTinyRun(join(folder, 'run'));
    await expect(run(path, 'me/model')).rejects.toThrow(/expected a token of the hub, received none; make one/);
    await writeFile(join(folder, 'token'), `${HUB_TOKEN}\n`);
    await run(path, 'me/model', '--endpoint', hub.endpoint, '--quiet');
    await writeFile(join(folder, 'other'), 'hf_another');
    const refused = run(path, 'me/model', '--endpoint', hub.endpoint, '--token-file', join(folder, 'other'));
    await expect(refused).rejects.toThrow(/expected a token that it knows/);
  });
});
