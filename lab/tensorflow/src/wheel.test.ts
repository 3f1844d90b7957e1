import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DataError } from '@drf/tensor';
import { wheelPlatform } from './platform.js';
import { useFolder } from './testing/fake-tools.js';
import { writeFakeWheel, type FakeWheel } from './testing/fake-wheel.js';
import { assertLibrary, neededFiles, openWheel, unpack } from './wheel.js';

const folder = useFolder();
const platform = wheelPlatform('linux-x64', false);

async function unpackFake(wheel: FakeWheel = {}): Promise<string> {
  const path = join(folder(), 'tensorflow_cpu.whl');
  await writeFakeWheel(path, wheel);
  const opened = await openWheel(path);
  try {
    assertLibrary(opened, platform);
    await unpack(opened, neededFiles(opened, platform), join(folder(), 'out'), { silent: true });
  } finally {
    opened.zip.close();
  }
  return join(folder(), 'out', 'tensorflow');
}

describe('a wheel', () => {
  it('gives its libraries and the headers that the binding includes, nothing else', async () => {
    const out = await unpackFake();
    expect(await readFile(join(out, 'libtensorflow_cc.so.2'), 'utf8')).toBe('the library');
    expect(await readFile(join(out, 'include', 'xla', 'tsl', 'c', 'tsl_status.h'), 'utf8')).toBe('// status');
    expect([existsSync(join(out, 'include', 'Eigen')), existsSync(join(out, '__init__.py'))]).toEqual([false, false]);
  });

  it('tells what GPU libraries it wants', async () => {
    const path = join(folder(), 'gpu.whl');
    const metadata =
      'Requires-Dist: numpy>=1.26\n' +
      'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"\n' +
      "Requires-Dist: nvidia-nccl-cu12<3.0,>=2.25.1 ; extra == 'and-cuda'\n";
    await writeFakeWheel(path, { project: 'tensorflow', metadata });
    const wheel = await openWheel(path);
    wheel.zip.close();
    expect(wheel).toMatchObject({ project: 'tensorflow', version: '2.20.0' });
    expect(wheel.cudaRequirements).toEqual(['nvidia-cublas-cu12<13.0,>=12.5.3.2', 'nvidia-nccl-cu12<3.0,>=2.25.1']);
  });

  it('is refused when it was cut short or is something else', async () => {
    const path = join(folder(), 'cut.whl');
    await writeFakeWheel(path);
    await truncate(path, 900);
    await expect(openWheel(path)).rejects.toThrow(DataError);
    await expect(openWheel(path)).rejects.toThrow(
      /cut\.whl expected a whole wheel \(a zip file\), received .*; fetch it/,
    );
    await writeFile(path, '<html>Not found</html>');
    await expect(openWheel(path)).rejects.toThrow(/expected a whole wheel \(a zip file\), received /);
  });

  it('is refused without its list of files', async () => {
    const path = join(folder(), 'plain.zip');
    await writeFakeWheel(path, { files: { 'tensorflow_cpu-2.20.0.dist-info/METADATA': undefined } });
    await expect(openWheel(path)).rejects.toThrow(/expected a file METADATA in it, as every wheel has, received none/);
  });

  it('is refused without a library for this platform, saying which versions have one', async () => {
    await expect(
      unpackFake({ version: '2.9.3', files: { 'tensorflow/libtensorflow_cc.so.2': undefined } }),
    ).rejects.toThrow(
      'expected tensorflow/libtensorflow_cc.so.2 in it, received tensorflow_cpu 2.9.3 without it; ' +
        'take a wheel of tensorflow or tensorflow-cpu 2.12 or newer for linux-x64',
    );
    await expect(unpackFake({ tag: 'cp312-cp312-manylinux_2_17_aarch64' })).rejects.toThrow(
      /expected a wheel for linux-x64, received one for manylinux_2_17_aarch64; fetch the wheel for this platform/,
    );
    await expect(unpackFake({ files: { 'tensorflow/include/tensorflow/c/eager/c_api.h': undefined } })).rejects.toThrow(
      /expected tensorflow\/include\/tensorflow\/c\/eager\/c_api\.h in it/,
    );
  });

  it('is refused when a file is not the listed one', async () => {
    const name = 'tensorflow/libtensorflow_cc.so.2';
    await expect(unpackFake({ recorded: { [name]: 'another library' } })).rejects.toThrow(
      /expected tensorflow\/libtensorflow_cc\.so\.2 with the SHA-256 of its list, .*, received SHA-256 .*; fetch it again/,
    );
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full (skipped where there is no /dev/full)', async () => {
    await mkdir(join(folder(), 'out', 'tensorflow'), { recursive: true });
    await symlink('/dev/full', join(folder(), 'out', 'tensorflow', 'libtensorflow_cc.so.2'));
    await expect(unpackFake()).rejects.toThrow(
      /libtensorflow_cc\.so\.2 expected a folder with room .*ENOSPC.*free some/,
    );
  });
});
