import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What a process says on standard error that opens a bucket and does nothing else, with a value of the client's variable. */
async function saidWith(value: string | undefined): Promise<string> {
  const args = ['--conditions=source', '--import', from('../../../scripts/from-source.mjs'), '--input-type=module'];
  const code = `import { openStorage } from ${JSON.stringify(from('index.ts'))}; await openStorage('s3://bucket/a');`;
  const env = {
    ...process.env,
    AWS_REGION: 'us-east-1',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: value, // undefined: not set
  };
  return (await run(process.execPath, [...args, '--eval', code], { env })).stderr;
}

// from Node 22 on, the client has nothing to say
describe.skipIf(Number(process.versions.node.split('.')[0]) >= 22)('what the client says of Node 20', () => {
  it('does not reach the terminal', async () => {
    expect(await saidWith(undefined)).toBe('');
  });

  it('does where the variable asks for it', async () => {
    expect(await saidWith('false')).toContain('NodeVersionSupportWarning');
  });
});
