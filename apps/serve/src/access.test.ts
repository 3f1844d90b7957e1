import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readToken } from './access.js';

async function fileOf(content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-token-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'token'), content);
  return join(folder, 'token');
}

it('is read from a file, or else from the environment', async () => {
  const environment = { DRF_SERVE_TOKEN: 'from-the-environment' };
  expect(await readToken(await fileOf('from-a-file-0123456789\n'), environment)).toBe('from-a-file-0123456789');
  expect(await readToken(undefined, environment)).toBe('from-the-environment');
  expect(await readToken(undefined, {})).toBeUndefined();
});

it.each([
  ['short', 'received 5;'],
  ['', 'received 0;'],
  ['with white space inside', 'received others;'],
])('is refused when it is %j', async (content, received) => {
  const file = await fileOf(content);
  await expect(readToken(file)).rejects.toThrow(
    `The token of ${file} expected at least 16 characters of printable ASCII without spaces, ${received} make one with: openssl rand -base64 32`,
  );
  await expect(readToken(undefined, { DRF_SERVE_TOKEN: content })).rejects.toThrow(/^The variable DRF_SERVE_TOKEN/);
});

it('names a file that is not there', async () => {
  await expect(readToken('/no/such/token')).rejects.toThrow(
    'Reading /no/such/token expected a readable file, received ENOENT',
  );
});
