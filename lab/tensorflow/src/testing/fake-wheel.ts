import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { strToU8, zipSync } from 'fflate';

export interface FakeWheel {
  readonly project?: string;
  readonly version?: string;
  readonly tag?: string;
  /** In place of or beside the usual files; nothing leaves one out. */
  readonly files?: { readonly [name: string]: string | undefined };
  /** Contents that the list of hashes is to speak of instead of the real ones. */
  readonly recorded?: { readonly [name: string]: string };
  readonly metadata?: string;
}

const USUAL = {
  'tensorflow/libtensorflow_cc.so.2': 'the library',
  'tensorflow/libtensorflow_framework.so.2': 'its framework',
  'tensorflow/include/tensorflow/c/c_api.h': '// C',
  'tensorflow/include/tensorflow/c/eager/c_api.h': '// eager',
  'tensorflow/include/xla/tsl/c/tsl_status.h': '// status',
  'tensorflow/include/Eigen/Core': '// not needed',
  'tensorflow/__init__.py': '# not needed',
};

/** Writes a small file that is built like a wheel of TensorFlow. */
export async function writeFakeWheel(path: string, wheel: FakeWheel = {}): Promise<void> {
  const { project = 'tensorflow_cpu', version = '2.20.0', tag = 'cp312-cp312-manylinux_2_17_x86_64' } = wheel;
  const info = `${project}-${version}.dist-info`;
  const files: { readonly [name: string]: string | undefined } = {
    ...USUAL,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${project}\nVersion: ${version}\n${wheel.metadata ?? ''}`,
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nTag: ${tag}\n`,
    ...wheel.files,
  };
  const present = Object.entries(files).filter((file): file is [string, string] => file[1] !== undefined);
  const lines = present.map(([name, content]) => {
    const hash = createHash('sha256')
      .update(wheel.recorded?.[name] ?? content)
      .digest('base64url');
    return `${name},sha256=${hash},${content.length}\n`;
  });
  const record = `${info}/RECORD` in files ? [] : [[`${info}/RECORD`, lines.join('')] as const];
  const contents = [...present, ...record].map(([name, content]) => [name, strToU8(content)] as const);
  await writeFile(path, zipSync(Object.fromEntries(contents)));
}
