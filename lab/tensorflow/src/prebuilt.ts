import { cp, mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import type { BindingPackage } from '@drf/engine';
import { readJson, writeJsonAtomic } from '@drf/files';
import { UnavailableError } from '@drf/tensor';
import type { Device } from './platform.js';
import { lastLines, type CommandResult } from '@drf/terminal';
import type { Tools } from './tools.js';

/** Where the binding's copy is, in a build's folder. */
const COPY = 'package';
const LONGEST = 30 * 60_000;

/**
 * The binding's own way: its install script fetches a libtensorflow (2.9) and a finished addon. It runs in a copy, since
 * it writes into its package, whose files pnpm shares with other projects.
 * @returns the addon, relative to the folder
 * @throws UnavailableError when the script does not get what it wants
 */
export async function installPrebuilt(
  binding: BindingPackage,
  device: Device,
  folder: string,
  tools: Tools,
): Promise<string> {
  const copy = join(folder, COPY);
  await copyPackage(binding, device, copy);
  tools.say(`Running the install script of ${binding.name} …`);
  const result = await tools.run(process.execPath, [join('scripts', 'install.js'), device, 'download'], {
    cwd: copy,
    environment: scriptEnvironment(binding),
    signal: tools.signal,
    timeoutMilliseconds: LONGEST,
    onOutput: tools.relay,
  });
  tools.signal?.throwIfAborted();
  const addon = result.code === 0 ? await findAddon(copy) : undefined;
  if (addon !== undefined) return `${COPY}/${addon}`;
  throw new UnavailableError({
    subject: `The install script of ${binding.name} ${binding.version}`,
    expected: 'to fetch its library and addon',
    received: complaint(result),
    remedy: 'its storage must be reachable; or build against a wheel: "pnpm tensorflow:install --from-pypi VERSION"',
  });
}

/** What the script complains of: the first error that it names, else its last words. */
function complaint({ stdout, stderr }: CommandResult): string {
  const named = /^(?:\w*Error: |.*failed with error: ).*$/m.exec(stderr + stdout)?.[0];
  return named ?? lastLines(stderr || stdout, 2);
}

async function copyPackage(binding: BindingPackage, device: Device, copy: string): Promise<void> {
  await mkdir(copy, { recursive: true });
  for (const name of ['binding', 'binding.gyp', 'scripts']) {
    await cp(join(binding.folder, name), join(copy, name), { recursive: true });
  }
  // the addon's file on its storage goes by the package's name
  const manifest = (await readJson(join(binding.folder, 'package.json'))) as Record<string, unknown>;
  const name = device === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  await writeJsonAtomic(join(copy, 'package.json'), { ...manifest, name });
}

/** The script finds the packages that it needs, and `node-pre-gyp`, where the original does. */
function scriptEnvironment({ folder }: BindingPackage): NodeJS.ProcessEnv {
  const require = createRequire(join(folder, 'package.json'));
  const modules = require.resolve.paths('anything') ?? [];
  const preGyp = join(dirname(require.resolve('@mapbox/node-pre-gyp/package.json')), 'bin');
  return {
    ...process.env,
    NODE_PATH: modules.join(delimiter),
    PATH: [preGyp, process.env['PATH'] ?? ''].join(delimiter),
  };
}

async function findAddon(copy: string): Promise<string | undefined> {
  const files = await readdir(join(copy, 'lib'), { recursive: true }).catch(() => []);
  const addon = files.find((name) => name.endsWith('tfjs_binding.node'));
  return addon === undefined ? undefined : `lib/${addon.replaceAll('\\', '/')}`;
}
