import { UnavailableError } from '@drf/tensor';

export type Device = 'cpu' | 'gpu';

/** What differs from platform to platform. */
export interface Platform {
  /** As Node names it: `linux-x64`. */
  readonly name: string;
  /** End of the platform tags of wheels that run here. */
  readonly wheelTag: RegExp;
  readonly libraries: readonly [cc: string, framework: string];
  readonly linkerFlags: readonly string[];
}

const LINUX_LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;
const MAC_LIBRARIES = ['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib'] as const;
const LINUX_FLAGS = ['-Wl,-rpath,$ORIGIN/tensorflow'];
// Node's own symbols are found when it loads the addon
const MAC_FLAGS = ['-Wl,-rpath,@loader_path/tensorflow', '-undefined', 'dynamic_lookup'];

/** Windows wheels hold no library that a C program could link; there the binding's own download is the way. */
const PLATFORMS: readonly Platform[] = [
  { name: 'linux-x64', wheelTag: /manylinux\w*_x86_64$/, libraries: LINUX_LIBRARIES, linkerFlags: LINUX_FLAGS },
  { name: 'linux-arm64', wheelTag: /manylinux\w*_aarch64$/, libraries: LINUX_LIBRARIES, linkerFlags: LINUX_FLAGS },
  { name: 'darwin-arm64', wheelTag: /macosx_\w*_arm64$/, libraries: MAC_LIBRARIES, linkerFlags: MAC_FLAGS },
  { name: 'darwin-x64', wheelTag: /macosx_\w*_x86_64$/, libraries: MAC_LIBRARIES, linkerFlags: MAC_FLAGS },
];

/** Whether this Linux uses musl instead of glibc, for which TensorFlow's wheels are built. */
function usesMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}

/** @throws UnavailableError where no wheel holds a usable library */
export function wheelPlatform(name = `${process.platform}-${process.arch}`, musl = usesMusl()): Platform {
  const platform = PLATFORMS.find((each) => each.name === name);
  if (platform !== undefined && !musl) return platform;
  throw new UnavailableError({
    subject: 'Building against a TensorFlow wheel',
    expected: `one of ${PLATFORMS.map((each) => each.name).join(', ')}, with glibc on Linux`,
    received: `${name}${musl ? ' with musl' : ''}`,
    remedy: 'try "pnpm tensorflow:install --prebuilt", or use the engine "compiled"',
  });
}

/** The project on the package index whose wheels hold the library: the small one where there is one. */
export function wheelProject(device: Device, platform: Platform): string {
  return device === 'cpu' && platform.name === 'linux-x64' ? 'tensorflow-cpu' : 'tensorflow';
}
