import { findBindingPackage, nativeFolder } from '@drf/engine';
import {
  createProgram,
  EXIT,
  ExitRequest,
  interruptSignal,
  InvalidArgumentError,
  Option,
  runCommand,
  type Command,
  type RunCommand,
} from '@drf/terminal';
import { checkBuild, freeBytes, type Tools } from './tools.js';
import { install, removeBuilds, type Installed, type Source } from './install.js';
import { RECOMMENDED_VERSION, type Device } from './platform.js';

export interface Options {
  readonly cpu?: boolean;
  readonly gpu?: boolean;
  readonly fromWheel?: string;
  readonly fromPypi?: string;
  readonly prebuilt?: boolean;
  readonly folder?: string;
  readonly keepWheel?: boolean;
  readonly remove?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

function versionNumber(text: string): string {
  if (/^\d+\.\d+(\.\d+)?([a-z0-9.]+)?$/.test(text)) return text;
  throw new InvalidArgumentError(`expected a version such as ${RECOMMENDED_VERSION}, received "${text}"`);
}

const SOURCES = ['fromWheel', 'fromPypi', 'prebuilt'] as const;

/** Whether the driver sees a GPU. */
async function hasGpu(run: RunCommand): Promise<boolean> {
  const { code, stdout } = await run('nvidia-smi', ['--list-gpus'], { timeoutMilliseconds: 20_000 });
  return code === 0 && /^GPU \d+:/m.test(stdout);
}

/** @param makeTools tests put in their own */
export function createInstallProgram(makeTools: typeof realTools = realTools): Command {
  const others = (own: string): string[] => SOURCES.filter((name) => name !== own);
  return createProgram(
    'tensorflow:install',
    'Installs the native library of the engine eager:tensorflow. Without a source, builds against the recommended\n' +
      `TensorFlow ${RECOMMENDED_VERSION} from the package index that pip is configured for, else runs the npm package's own download.`,
    [
      ['pnpm tensorflow:install', 'the recommended version, for the GPU when there is one'],
      ['pnpm tensorflow:install --cpu --from-pypi 2.18.1', 'another version'],
      ['pnpm tensorflow:install --from-wheel tensorflow_cpu-….whl', 'a wheel that was fetched elsewhere; no network'],
      ['pnpm tensorflow:install --remove', 'deletes what was installed'],
    ],
  )
    .addOption(new Option('--gpu', 'build for an NVIDIA GPU (default: when nvidia-smi lists one)').conflicts('cpu'))
    .addOption(new Option('--cpu', 'build for the CPU'))
    .addOption(
      new Option('--from-pypi <version>', 'a TensorFlow version, 2.12 or newer')
        .argParser(versionNumber)
        .conflicts(others('fromPypi')),
    )
    .addOption(
      new Option('--from-wheel <file>', 'a wheel of tensorflow or tensorflow-cpu').conflicts(others('fromWheel')),
    )
    .addOption(
      new Option('--prebuilt', "the npm package's own download (TensorFlow 2.9)").conflicts(others('prebuilt')),
    )
    .option('--folder <folder>', 'folder of the builds; engines look where DRF_TENSORFLOW_FOLDER says', nativeFolder())
    .option('--keep-wheel', 'keep the fetched wheel')
    .option('--remove', 'delete all builds and downloads')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress')
    .action((options: Options) => act(options, makeTools));
}

async function act(options: Options, makeTools: typeof realTools): Promise<void> {
  const root = options.folder ?? nativeFolder();
  if (options.remove === true) return reportRemoved(root, await removeBuilds(root), options.json === true);
  const interrupt = interruptSignal(() => process.stderr.write('\nStopping …\n'));
  try {
    const tools = makeTools(options, interrupt.signal);
    const device = await chooseDevice(options, tools);
    const started = performance.now();
    const installed = await install({ source: sourceOf(options), device, root, keepWheel: options.keepWheel }, tools);
    report(installed, root, (performance.now() - started) / 1000, options.json === true);
  } catch (error) {
    if (interrupt.signal.aborted) throw new ExitRequest(EXIT.interrupted);
    throw error;
  } finally {
    interrupt.release();
  }
}

async function chooseDevice(options: Options, tools: Tools): Promise<Device> {
  if (options.gpu === true) return 'gpu';
  if (options.cpu === true) return 'cpu';
  return (await hasGpu(tools.run)) ? 'gpu' : 'cpu';
}

function sourceOf(options: Options): Source {
  if (options.fromWheel !== undefined) return { kind: 'file', path: options.fromWheel };
  if (options.fromPypi !== undefined) return { kind: 'index', version: options.fromPypi };
  return { kind: options.prebuilt === true ? 'prebuilt' : 'automatic' };
}

/** The real machine. */
export function realTools(options: Options, signal: AbortSignal): Tools {
  const silent = options.quiet === true || options.json === true;
  return {
    run: runCommand,
    get: fetch,
    free: freeBytes,
    findBinding: findBindingPackage,
    check: (folder) => checkBuild(runCommand, folder, signal),
    platformName: `${process.platform}-${process.arch}`,
    signal,
    silent,
    say: (line) => void (silent || process.stderr.write(`${line}\n`)),
    ...(silent ? {} : { relay: (text: string) => void process.stderr.write(text) }),
  };
}

function report(installed: Installed, root: string, seconds: number, json: boolean): void {
  const { build, folder, tensorflow, gpu, gflops } = installed;
  if (json) {
    process.stdout.write(`${JSON.stringify({ tensorflow, gpu, gflops, seconds, folder, build }, null, 2)}\n`);
    return;
  }
  const device = gpu
    ? 'GPU'
    : build.device === 'gpu'
      ? 'CPU (it was built for a GPU, but found none that it can use)'
      : 'CPU';
  const lines = [
    `Engine eager:tensorflow works: TensorFlow ${tensorflow}, ${device}, ${gflops.toFixed(0)} GFLOP/s`,
    folder,
  ];
  if (root !== nativeFolder()) lines.push(`Engines find it when DRF_TENSORFLOW_FOLDER names ${root}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

function reportRemoved(root: string, removed: readonly string[], json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ removed }, null, 2)}\n`);
  else if (removed.length === 0) process.stdout.write(`Nothing is installed in ${root}\n`);
  else process.stdout.write(`Removed ${removed.join(', ')}\n`);
}
