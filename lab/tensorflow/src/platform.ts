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

/** What a build takes when no version is named: the one that the contracts and a training run were run on. */
export const RECOMMENDED_VERSION = '2.20.0';

/** Wheels older than this hold no `libtensorflow_cc` to link. */
export const OLDEST_VERSION = '2.12';

/**
 * SHA-256 of the wheels that the binding was built against and run on. An unknown wheel is used as well, but said to be
 * unknown.
 */
export const KNOWN_WHEELS: ReadonlyMap<string, string> = new Map([
  [
    '7ffb595707a8fb376deaddc768784c7a0242b16cbc6e06393b1733b2ce19f855',
    'tensorflow_cpu-2.12.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  ],
  [
    '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
    'tensorflow_cpu-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  ],
  [
    'c855cb6bf05d32dd5928086b03a5f6b4189b63c22b95e017703cbee4291023ca',
    'tensorflow_cpu-2.16.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  ],
  [
    '810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298',
    'tensorflow_cpu-2.18.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  ],
  [
    'c7a9224185818094ed95c4e114d3efe77241db35fbf0b75251fb2bf6222dd6a7',
    'tensorflow_cpu-2.20.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  ],
  [
    '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
    'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
  ],
]);

export function isKnownWheel(sha256: string): boolean {
  return KNOWN_WHEELS.has(sha256);
}
