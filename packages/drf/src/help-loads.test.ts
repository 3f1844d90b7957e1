import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { COMMAND_NAMES } from './commands.js';

/** Libraries that take long to load, none of which a command needs to print its help. */
const HEAVY = ['@huggingface', '@tensorflow', 'echarts', 'fastify', 'hyparquet', 'hyparquet-writer', 'koffi', 'ml-matrix', 'onnxruntime-common', 'onnxruntime-node', 'onnxruntime-web', 'protobufjs', 'sharp', 'undici', 'yaml']; // prettier-ignore

const inHooks = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/** Says on descriptor 3 which modules are loaded. */
const HOOKS = inHooks(`
  import { writeSync } from 'node:fs';
  export async function load(url, context, nextLoad) {
    writeSync(3, url + '\\n');
    return nextLoad(url, context);
  }
`);

/** Asks each command for its help, in one process, and says on descriptor 3 where the next one begins. */
const PROGRAM = `
  import { writeSync } from 'node:fs';
  import { register } from 'node:module';
  process.stdout.setMaxListeners(0); // a program listens once, and here are many
  register(${JSON.stringify(HOOKS)});
  const { COMMAND_NAMES, runDrf } = await import(${JSON.stringify(new URL('commands.ts', import.meta.url))});
  for (const name of COMMAND_NAMES) {
    writeSync(3, 'command:' + name + '\\n');
    await runDrf([name, '--help']);
  }
`;

it('loads no heavy library to print the help of any command', () => {
  const loader = new URL('../../../scripts/from-source.mjs', import.meta.url).href;
  const args = ['--conditions=source', '--import', loader, '--input-type=module', '--eval', PROGRAM];
  const { output, status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], encoding: 'utf8' }); // prettier-ignore
  expect(output[2]).toBe('');
  expect(status).toBe(0);
  const lines = (output[3] ?? '').trim().split('\n');
  const loaded = new Set(lines.map((line) => /^command:(.*)/.exec(line)?.[1]).filter((name) => name !== undefined));
  expect([...loaded]).toEqual(COMMAND_NAMES);
  expect(lines.some((line) => line.includes('/node_modules/zod/'))).toBe(true); // it would see them
  const found = lines.flatMap((line, i) => {
    const library = /.*\/node_modules\/((?:@[^/]+)|[^/]+)/.exec(line)?.[1];
    const command = lines.slice(0, i).findLast((each) => each.startsWith('command:'));
    return library !== undefined && HEAVY.includes(library) ? [`${command} loads ${library}`] : [];
  });
  expect([...new Set(found)]).toEqual([]);
}, 60_000);
