// Programs that the laboratory starts and does not bring along: found by a variable or in PATH, or installed into a folder.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MINUTES = 60_000;

/** By name: the variable that names the program, the program, and what installs it below a folder. */
const TOOLS = {
  ray: { variable: 'RAY', program: 'ray', install: (folder) => pip(folder, 'ray', 'ray[default]') },
  moto: { variable: 'MOTO', program: 'moto_server', install: (folder) => pip(folder, 'moto', 'moto[server]') },
  versitygw: {
    variable: 'VERSITYGW',
    program: 'versitygw',
    async install(folder) {
      const bin = join(folder, 'bin');
      await run('go', ['install', 'github.com/versity/versitygw/cmd/versitygw@latest'], {
        env: { ...process.env, GOBIN: bin },
        timeout: 15 * MINUTES,
      });
      return join(bin, 'versitygw');
    },
  },
  mpirun: {
    variable: 'MPIRUN',
    program: 'mpirun',
    async install() {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      await run('apt-get', ['update', '-qq'], { env, timeout: 3 * MINUTES });
      const args = ['install', '-y', '-qq', '--no-install-recommends', 'openmpi-bin', 'libopenmpi3'];
      await run('apt-get', args, { env, timeout: 5 * MINUTES });
      return 'mpirun';
    },
  },
};

/** Something that this machine has not, or does not let be. The message says what would help. */
export class MissingTool extends Error {}

/** Exit code of a program that ends for that reason. */
export const SKIPPED = 77;

/**
 * Finds a program.
 * @param installIn a folder into which it is installed where it is missing; default: it is not installed
 * @returns its path, or its name where it is in PATH
 * @throws MissingTool
 */
export async function findTool(name, installIn) {
  const { variable, program, install } = TOOLS[name];
  const named = process.env[variable];
  if (named !== undefined) {
    if (existsSync(named)) return named;
    throw new MissingTool(`${variable} names ${named}, which is not there`);
  }
  if (await run('which', [program]).catch(() => undefined)) return program;
  const installed = [join(installIn ?? '', name, 'bin', program), join(installIn ?? '', 'bin', program)];
  const there = installIn && installed.find((path) => existsSync(path));
  if (there) return there;
  if (installIn === undefined) {
    throw new MissingTool(`${program} is not in PATH; name it by ${variable}, or let --install FOLDER install it`);
  }
  await mkdir(installIn, { recursive: true });
  try {
    return await install(installIn);
  } catch (error) {
    const last = String(error.stderr || error.message)
      .trim()
      .split('\n')
      .at(-1);
    throw new MissingTool(`${program} cannot be installed (${last.slice(0, 200)})`);
  }
}

async function pip(folder, name, requirement) {
  const place = join(folder, name);
  await run('python3', ['-m', 'venv', place]);
  const args = ['install', '-q', '--disable-pip-version-check', '--retries', '2', '--timeout', '30', requirement];
  await run(join(place, 'bin/pip'), args, { timeout: 10 * MINUTES });
  return join(place, 'bin', TOOLS[name].program);
}
