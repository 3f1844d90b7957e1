import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '@drf/tensor';
import type { Finding } from '../report.js';
import type { Machine } from '../machine.js';
import { fakeMachine, files, MISSING, output, programs } from '../testing/fake-machine.js';
import { probeEngines } from './engines.js';
import { probeGpu, probeNativeFiles } from './native.js';
import { probeHubAndCaches } from './hub.js';
import { probeMpi } from './mpi.js';
import { probeLibraries, probeOptional } from './software.js';
import { probePlatform } from './platform.js';
import { probeRoom } from './room.js';

const WANTED = { nodeMajor: 20, pnpm: '10.34.8' };

const about = (findings: readonly Finding[], subject: string): Finding =>
  findings.find((finding) => finding.subject === subject) as Finding;

/** A folder with an installed build of native TensorFlow, and the environment that names it. */
let root: string;
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'drf-doctor-'))));
afterEach(() => rm(root, { recursive: true }));

const hashOf = (content: string): string => createHash('sha256').update(content).digest('hex');

async function withBuild(device: 'cpu' | 'gpu', libraries: readonly string[] = []): Promise<NodeJS.ProcessEnv> {
  const folder = join(root, 'build');
  await mkdir(folder, { recursive: true });
  const recorded = ['addon.node', ...libraries].map((path) => ({ path, bytes: 5, sha256: hashOf('addon') }));
  for (const { path } of recorded) await writeFile(join(folder, path), 'addon');
  const record = {
    ...{ format: 1, source: 'wheel', device, tensorflow: '2.20.0', binding: 'tfjs-node 4.22.0', platform: 'linux-x64' },
    ...{
      compiler: 'c++',
      wheel: { name: 'a.whl', sha256: hashOf(''), known: false },
      addon: 'addon.node',
      files: recorded,
    },
  };
  await writeFile(join(folder, 'build.json'), JSON.stringify(record));
  await writeFile(join(root, 'current.json'), '{"build":"build"}');
  return { DRF_TENSORFLOW_FOLDER: root };
}

describe('Node and pnpm', () => {
  it('are fine in the wanted versions', async () => {
    const findings = await probePlatform(fakeMachine(), WANTED);
    expect(findings.map(({ mark }) => mark)).toEqual(['good', 'good', 'good', 'good']);
  });

  it('stop everything when Node is too old', async () => {
    expect(about(await probePlatform(fakeMachine({ nodeVersion: '18.20.1' }), WANTED), 'Node')).toMatchObject({
      mark: 'problem',
      found: '18.20.1, wanted 20 or newer',
      advice: 'install Node 20 or newer',
    });
  });

  it('leave pnpm out where there is no workspace', async () => {
    const findings = await probePlatform(fakeMachine(), { ...WANTED, pnpm: null });
    expect(findings.map(({ subject }) => subject)).toEqual(['Node', 'Platform', 'Cores']);
  });

  it('say when pnpm is another one or missing', async () => {
    const other = fakeMachine({ environment: {}, run: programs({ pnpm: output('9.1.0\n') }) });
    expect(about(await probePlatform(other, WANTED), 'pnpm')).toMatchObject({
      mark: 'warning',
      found: '9.1.0, wanted 10.34.8',
      advice: 'npm install --global pnpm@10.34.8, or write "npx -y pnpm@10.34.8" for pnpm',
    });
    const none = fakeMachine({ environment: {}, run: programs({ pnpm: MISSING }) });
    expect(about(await probePlatform(none, WANTED), 'pnpm')).toMatchObject({
      mark: 'absent',
      found: 'not on the path',
    });
  });
});

describe('cores', () => {
  const cores = async (contents: { [path: string]: string }): Promise<Finding> =>
    about(await probePlatform(fakeMachine({ readText: files(contents) }), WANTED), 'Cores');

  it('count a container’s quota, of either kind', async () => {
    expect(await cores({})).toMatchObject({ mark: 'good', found: '8' });
    expect(await cores({ '/sys/fs/cgroup/cpu.max': 'max 100000\n' })).toMatchObject({ mark: 'good' });
    expect(await cores({ '/sys/fs/cgroup/cpu.max': '800000 100000\n' })).toMatchObject({ mark: 'good' });
    expect(await cores({ '/sys/fs/cgroup/cpu.max': '150000 100000\n' })).toMatchObject({
      mark: 'warning',
      found: '8, of which the container may use 1.5 at a time',
    });
    const older = { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' };
    expect((await cores(older)).found).toContain('may use 2.0');
    expect(await cores({ ...older, '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1' })).toMatchObject({ mark: 'good' });
  });
});

describe('memory and disk', () => {
  const memory = async (contents: { [path: string]: string }): Promise<Finding> =>
    about(await probeRoom(fakeMachine({ readText: files(contents) })), 'Free memory');

  it('count a container’s limit, of either kind', async () => {
    expect(await memory({})).toMatchObject({ mark: 'good', found: '16.0 GB free of 32.0 GB' });
    expect((await memory({ '/proc/meminfo': 'MemFree: 1 kB\nMemAvailable:    8000000 kB\n' })).found).toContain(
      '8.2 GB',
    );
    const limit = { '/sys/fs/cgroup/memory.max': '4000000000\n', '/sys/fs/cgroup/memory.current': '2000000000\n' };
    expect(await memory(limit)).toMatchObject({
      mark: 'warning',
      found: '2.0 GB free of 4.0 GB (the container’s limit)',
    });
    expect(await memory({ '/sys/fs/cgroup/memory.max': 'max\n' })).toMatchObject({ mark: 'good' });
    const older = {
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1000000000',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '500000000',
    };
    expect(await memory(older)).toMatchObject({
      mark: 'problem',
      found: '500 MB free of 1.0 GB (the container’s limit)',
      advice: 'end other programs or raise the limit: the quick start needs 750 MB',
    });
  });

  it('stop the default use only where runs are written', async () => {
    const findings = await probeRoom(fakeMachine({ freeBytes: async () => 1e8 }));
    const marks = Object.fromEntries(findings.map(({ subject, mark }) => [subject, mark]));
    expect(marks).toMatchObject({
      'Working folder': 'problem',
      'Feature cache': 'problem',
      'Temporary files': 'warning',
      'Native TensorFlow': 'warning',
    });
    expect((await probeRoom(fakeMachine({ freeBytes: async () => 2e9 }))).some(({ mark }) => mark === 'problem')).toBe(
      false,
    );
    const unknown = about(await probeRoom(fakeMachine({ freeBytes: async () => undefined })), 'Working folder');
    expect(unknown).toMatchObject({ mark: 'warning', found: 'free space cannot be told' });
  });
});

describe('libraries', () => {
  it('that do not load are named with their reason', async () => {
    const loadPackage: Machine['loadPackage'] = async () => {
      throw new Error('Could not load the "sharp" module using the linux-x64 runtime\nmore');
    };
    const findings = await probeLibraries(fakeMachine({ loadPackage }));
    expect(about(findings, 'sharp')).toMatchObject({
      mark: 'problem',
      found: 'does not load: Could not load the "sharp" module using the linux-x64 runtime',
    });
    expect(about(findings, 'onnxruntime-node').mark).toBe('warning');
    expect(about(await probeLibraries(fakeMachine()), 'sharp')).toMatchObject({ mark: 'good', found: '1.2.3' });
  });
});

describe('engines', () => {
  const failing =
    (...names: string[]): Machine['measureEngine'] =>
    async (name) => {
      if (!names.includes(name)) return { gflops: name === 'eager:cpu' ? 0.31 : 50 };
      throw new UnavailableError({ subject: name, expected: 'to start', received: 'no library' });
    };

  it('are measured one after the other', async () => {
    const order: string[] = [];
    await probeEngines(fakeMachine(), (name) => void order.push(name));
    expect(order).toEqual(['compiled', 'eager:wasm', 'eager:cpu', 'eager:tensorflow']);
  });

  it('are also those on accelerators that ONNX Runtime was built with, which nothing needs', async () => {
    const order: string[] = [];
    const remedy = 'install Vulkan, or use "compiled:cpu"';
    const measureEngine: Machine['measureEngine'] = async (name) => {
      if (name === 'compiled:dml') return { gflops: 2000 };
      if (!name.startsWith('compiled:')) return { gflops: 50 };
      throw new UnavailableError({ subject: name, expected: 'to work', received: `no device for ${name}`, remedy });
    };
    const providers = () => ['cpu', 'webgpu', 'dml', 'tensorrt'];
    const findings = await probeEngines(fakeMachine({ providers, measureEngine }), (name) => void order.push(name));
    expect(order).toEqual(['compiled', 'compiled:webgpu', 'compiled:dml', 'eager:wasm', 'eager:cpu', 'eager:tensorflow']); // prettier-ignore
    expect(about(findings, 'compiled:webgpu')).toMatchObject({
      mark: 'absent',
      found: 'does not work: no device for compiled:webgpu',
      advice: remedy,
    });
    expect(about(findings, 'compiled:dml')).toMatchObject({ mark: 'good', found: '2000 GFLOP/s' });
    expect(about(findings, 'auto').found).toBe('takes compiled; compiled:dml only where it is named');
  });

  it('are taken by "auto" as the engine does', async () => {
    const onGpu = fakeMachine({ providers: () => ['cpu', 'cuda'], chosenProvider: async () => 'cuda' });
    expect(about(await probeEngines(onGpu), 'auto').found).toBe('takes compiled:cuda');
    const providers = (): never => {
      throw new UnavailableError({ subject: 'engine "compiled"', expected: 'a library', received: 'none' });
    };
    const bare = await probeEngines(fakeMachine({ providers, measureEngine: failing('compiled', 'eager:tensorflow') }));
    expect(about(bare, 'auto').found).toBe('takes eager:wasm');
  });

  it('need no native TensorFlow', async () => {
    const findings = await probeEngines(fakeMachine({ measureEngine: failing('eager:tensorflow') }));
    expect(about(findings, 'eager:tensorflow')).toMatchObject({ mark: 'absent', found: 'not installed' });
    expect(about(findings, 'eager:cpu')).toMatchObject({ mark: 'good', found: '0.3 GFLOP/s' });
    expect(about(findings, 'auto').found).toBe('takes compiled');
  });

  it('fall back on wasm, and without that nothing works', async () => {
    const slow = await probeEngines(fakeMachine({ measureEngine: failing('compiled', 'eager:tensorflow') }));
    expect(about(slow, 'compiled')).toMatchObject({ mark: 'warning', found: 'does not work: no library' });
    expect(about(slow, 'auto').found).toBe('takes eager:wasm');
    const none = await probeEngines(
      fakeMachine({ measureEngine: failing('compiled', 'eager:wasm', 'eager:tensorflow') }),
    );
    expect(about(none, 'eager:wasm').mark).toBe('problem');
    expect(about(none, 'auto')).toBeUndefined();
    const broken = await probeEngines(fakeMachine({ measureEngine: failing('eager:cpu') }));
    expect(about(broken, 'eager:cpu').mark).toBe('problem');
  });

  it('say when an installed native TensorFlow does not work, or not on the GPU that it was built for', async () => {
    const environment = await withBuild('gpu');
    const broken = await probeEngines(fakeMachine({ environment, measureEngine: failing('eager:tensorflow') }));
    expect(about(broken, 'eager:tensorflow')).toMatchObject({ mark: 'warning', found: 'does not work: no library' });
    const onCpu = fakeMachine({
      environment,
      measureEngine: async () => ({ gflops: 40, version: '2.20.0', gpu: false }),
    });
    expect(about(await probeEngines(onCpu), 'eager:tensorflow')).toMatchObject({
      mark: 'warning',
      found: 'TensorFlow 2.20.0, CPU, 40 GFLOP/s',
    });
    const onGpu = fakeMachine({
      environment,
      measureEngine: async () => ({ gflops: 9000, version: '2.20.0', gpu: true }),
    });
    const findings = await probeEngines(onGpu);
    expect(about(findings, 'eager:tensorflow').mark).toBe('good');
    expect(about(findings, 'auto').found).toBe('takes eager:tensorflow');
  });
});

describe('files of native TensorFlow', () => {
  it('are compared with their record, every hash on demand', async () => {
    expect(await probeNativeFiles(fakeMachine(), true)).toEqual([]);
    const environment = await withBuild('cpu', ['library.so']);
    const machine = fakeMachine({ environment, sha256: async () => hashOf('addon') });
    expect(await probeNativeFiles(machine, false)).toMatchObject([
      { mark: 'good', found: 'as recorded (a.whl, an untried wheel)' },
    ]);
    expect(await probeNativeFiles(machine, true)).toMatchObject([
      { mark: 'good', found: 'every hash as recorded (a.whl, an untried wheel)' },
    ]);
    const changed = fakeMachine({
      environment,
      sha256: async (path) => hashOf(path.endsWith('.so') ? 'other' : 'addon'),
    });
    expect(await probeNativeFiles(changed, true)).toMatchObject([
      { mark: 'warning', found: `library.so has SHA-256 ${hashOf('other')} instead of ${hashOf('addon')}` },
    ]);
    await writeFile(join(root, 'build', 'library.so'), 'cut');
    expect(await probeNativeFiles(machine, false)).toMatchObject([
      { mark: 'warning', found: expect.stringContaining('expected 5 bytes, received 3 bytes') as string },
    ]);
  });
});

describe('GPU', () => {
  const NVIDIA = { 'nvidia-smi': output('NVIDIA H100 80GB HBM3, 550.54, 81559 MiB\n') };
  const LDCONFIG = {
    ldconfig: output(
      ['cudart', 'cublas', 'cufft', 'cusolver', 'cusparse']
        .map((name) => `\tlib${name}.so.12 => /usr/lib/lib${name}.so.12`)
        .join('\n'),
    ),
  };

  it('is optional', async () => {
    expect(await probeGpu(fakeMachine())).toMatchObject([{ mark: 'absent', found: 'none that nvidia-smi lists' }]);
  });

  it('wants a native TensorFlow that was built for it', async () => {
    const findings = await probeGpu(fakeMachine({ run: programs({ ...NVIDIA, ...LDCONFIG }) }));
    expect(about(findings, 'NVIDIA GPU')).toMatchObject({
      mark: 'warning',
      found: 'NVIDIA H100 80GB HBM3, 550.54, 81559 MiB, not used',
      advice: 'the line of compiled:cuda says what it lacks; or run pnpm tensorflow:install --gpu',
    });
    const used = await probeGpu(fakeMachine({ run: programs({ ...NVIDIA, ...LDCONFIG }) }), true);
    expect(about(used, 'NVIDIA GPU')).toMatchObject({
      mark: 'good',
      found: 'NVIDIA H100 80GB HBM3, 550.54, 81559 MiB',
    });
    expect(about(findings, 'CUDA and cuDNN')).toMatchObject({
      mark: 'absent',
      advice: expect.stringMatching(/^without libcudnn\.so TensorFlow uses no GPU/) as string,
    });
  });

  it('finds libraries on the system and beside the build', async () => {
    const environment = await withBuild('gpu', ['libcudnn.so.9']);
    const machine = fakeMachine({ environment, run: programs({ ...NVIDIA, ...LDCONFIG }) });
    const findings = await probeGpu(machine);
    expect(findings.map(({ mark }) => mark)).toEqual(['good', 'good']);
    expect(about(findings, 'CUDA and cuDNN').found).toContain('libcudnn.so.9');
    const bare = await probeGpu(fakeMachine({ environment, run: programs(NVIDIA) }));
    expect(about(bare, 'CUDA and cuDNN').advice).toMatch(/^without libcudart\.so, libcublas\.so, libcufft\.so/);
  });

  it('is missed by a build for it', async () => {
    const environment = await withBuild('gpu');
    expect(about(await probeGpu(fakeMachine({ environment })), 'NVIDIA GPU')).toMatchObject({
      mark: 'warning',
      advice: 'the installed TensorFlow is for a GPU: check the driver, or run pnpm tensorflow:install --cpu',
    });
  });
});

describe('hub and caches', () => {
  it('never are a problem', async () => {
    const head: Machine['head'] = async () => {
      throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND hub.example') });
    };
    const findings = await probeHubAndCaches(fakeMachine({ head, folderBytes: async () => undefined }));
    expect(about(findings, 'https://hub.example')).toMatchObject({
      mark: 'warning',
      found: 'not reachable: getaddrinfo ENOTFOUND hub.example',
    });
    expect(about(findings, 'Features')).toMatchObject({ mark: 'good', found: 'empty (/home/me/.cache/drf/features)' });
    const busy = about(await probeHubAndCaches(fakeMachine({ head: async () => 503 })), 'https://hub.example');
    expect(busy).toMatchObject({ mark: 'warning', found: 'answers with status 503' });
    const unknown = await probeHubAndCaches(fakeMachine({ hubEndpoint: async () => undefined }));
    expect(about(unknown, 'endpoint')).toMatchObject({ mark: 'warning', found: 'not known' });
  });

  it('says where the caches are and how large', async () => {
    const machine = fakeMachine({ folderBytes: async () => ({ bytes: 3_210_000_000, more: true }) });
    const findings = await probeHubAndCaches(machine);
    expect(about(findings, 'Models of the hub').found).toBe('more than 3.2 GB (/home/me/.cache/huggingface/hub)');
    const moved = fakeMachine({ environment: { HF_HOME: '/models' } });
    expect(about(await probeHubAndCaches(moved), 'Models of the hub').found).toBe('1.5 GB (/models/hub)');
  });
});

describe('MPI', () => {
  it('is found with its library and launcher', async () => {
    const findings = await probeMpi(fakeMachine());
    expect(findings.map(({ mark }) => mark)).toEqual(['good', 'good']);
    expect(about(findings, 'MPI library').found).toBe('Open MPI v4.1.4 (libmpi.so.40), which koffi loads');
    expect(about(findings, 'mpirun or srun').found).toBe('/usr/bin/mpirun');
  });

  it('is optional, and says what to install', async () => {
    const report = {
      subject: 'MPI',
      expected: 'a library',
      received: 'libmpi.so.40: not there',
      remedy: 'install Open MPI',
    };
    const mpiLibrary = () => Promise.reject(new UnavailableError(report));
    const findings = await probeMpi(fakeMachine({ mpiLibrary, findProgram: async () => undefined }));
    expect(findings.map(({ mark }) => mark)).toEqual(['absent', 'absent']);
    expect(about(findings, 'MPI library')).toMatchObject({
      found: 'libmpi.so.40: not there',
      advice: 'only --distributed mpi needs it; install Open MPI',
    });
  });
});

describe('what only development needs', () => {
  it('is optional', async () => {
    const bare = fakeMachine({ run: programs({}), findProgram: async () => undefined });
    expect((await probeOptional(bare)).map(({ mark }) => mark)).toEqual(['absent', 'absent', 'absent']);
    const full = await probeOptional(fakeMachine());
    expect(full.map(({ found }) => found)).toEqual(['/usr/bin/c++', '/usr/bin/chromium', '2.8.0 (python3)']);
  });
});
