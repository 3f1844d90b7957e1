// Sends what schemathesis makes of the service's OpenAPI document to the built service, on loopback, and fails for every
// answer that the document does not allow: node scripts/schemathesis.mjs RUN [SECONDS]
// Installs schemathesis from PyPI into a folder that is removed afterwards; without PyPI it skips, saying so.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const VERSION = '4.32.5';
const SEED = '7';
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/**
 * An image that is base64 need not be one, and a text may be white space only: 422 is right, and documented. So is 400 for
 * a key `__proto__`, which a schema does not see. A field of a form is text, whatever its letters are in JSON ("false").
 */
const settings = (version) => `
# of any other model, and of any other version, the answer is 404
[parameters]
name = "mood"
version = "${version}"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "422"]

[[operations]]
include-name = "POST /v1/predict"
checks.negative_data_rejection.enabled = false
`;

const [trained, seconds = '45'] = process.argv.slice(2);
if (trained === undefined) {
  console.error('usage: node scripts/schemathesis.mjs RUN [SECONDS]');
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'drf-schemathesis-'));
try {
  process.exitCode = (await install()) ? await check() : 0;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function install() {
  try {
    await run('python3', ['-m', 'venv', folder]);
    const pip = ['-q', '--disable-pip-version-check', '--retries', '1', '--timeout', '20'];
    await run(join(folder, 'bin/pip'), ['install', ...pip, `schemathesis==${VERSION}`], { timeout: 300_000 });
    return true;
  } catch (error) {
    console.log(`skipped: schemathesis ${VERSION} cannot be installed (${lastLine(error.stderr ?? error.message)})`);
    return false;
  }
}

async function check() {
  const service = spawn(process.execPath, ['apps/serve/dist/main.js', trained, '--port', '0', '--no-page', '--log-level', 'error', '--model-name', 'mood'], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'pipe'],
  }); // prettier-ignore
  const ended = once(service, 'exit');
  try {
    const address = await addressOf(service);
    return await schemathesis(address);
  } finally {
    service.kill('SIGTERM');
    await ended;
  }
}

async function schemathesis(address) {
  const { model } = await (await fetch(`${address}/v1/model`)).json();
  await writeFile(join(folder, 'schemathesis.toml'), settings(model.version));
  const args = [
    'run',
    `${address}/openapi.json`,
    '--seed',
    SEED,
    '--max-time',
    seconds,
    '--generation-database',
    'none',
  ];
  const more = [
    '--phases',
    'examples,coverage,fuzzing',
    '--no-color',
    '--max-response-time',
    '20',
    '--warnings',
    'off',
  ];
  const child = spawn(join(folder, 'bin/schemathesis'), ['--config-file', join(folder, 'schemathesis.toml'), ...args, ...more], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 1000 * (Number(seconds) + 60),
  }); // prettier-ignore
  const [code] = await once(child, 'exit');
  return code ?? 1;
}

function addressOf(service) {
  let printed = '';
  return new Promise((resolve, reject) => {
    service.stderr.setEncoding('utf8').on('data', (text) => {
      printed += text;
      const address = /Listening on (http:\S+)/.exec(printed)?.[1];
      if (address !== undefined) resolve(address);
    });
    service.once('exit', (code) => reject(new Error(`the service ended with ${code}: ${printed}`)));
  });
}

function lastLine(text) {
  return text.trim().split('\n').at(-1).slice(0, 200);
}
