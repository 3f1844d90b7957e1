import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DataError, UnavailableError } from '@drf/tensor';
import { compileBinding, findCompiler } from './compile.js';
import { wheelPlatform } from './platform.js';
import { COMPILER, failed, fakeRun, useFolder } from './testing/fake-tools.js';

const folder = useFolder();

async function task(): Promise<Parameters<typeof compileBinding>[2]> {
  const binding = { name: '@tensorflow/tfjs-node', version: '4.22.0', folder: join(folder(), 'package') };
  await mkdir(join(binding.folder, 'binding'), { recursive: true });
  for (const name of ['b.cc', 'a.cc', 'a.h']) await writeFile(join(binding.folder, 'binding', name), '');
  return { binding, platform: wheelPlatform('linux-x64', false), folder: folder() };
}

describe('findCompiler', () => {
  it('takes the named one, else the first that works', async () => {
    const run = fakeRun({ 'g++': COMPILER, 'clang++-18': COMPILER });
    expect(await findCompiler(run, {})).toEqual({ command: 'g++', version: 'c++ (fake) 12.2.0' });
    expect(await findCompiler(run, { CXX: 'clang++-18' })).toMatchObject({ command: 'clang++-18' });
  });

  it('says how to get one', async () => {
    const error = await findCompiler(fakeRun({}), {}).catch((caught: Error) => caught);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain(
      'expected a C++ compiler, received no working c++, g++, clang++; install one ("apt-get',
    );
  });
});

describe('compileBinding', () => {
  const compiler = { command: 'c++', version: 'c++ 12' };

  it('compiles the package’s sources against the unpacked library, into the build’s folder', async () => {
    const run = fakeRun({ 'c++': COMPILER });
    await compileBinding(run, compiler, await task());
    const line = run.calls[0] as string;
    expect(line).toContain(
      `${folder()}/package/binding/a.cc ${folder()}/package/binding/b.cc -o ${folder()}/tfjs_binding.node`,
    );
    expect(line).toContain(
      `${folder()}/tensorflow/libtensorflow_cc.so.2 ${folder()}/tensorflow/libtensorflow_framework.so.2`,
    );
    expect(line).toMatch(/-I\S+node-api-headers\/include -I/);
    expect(line).toMatch(/-Wl,-rpath,\$ORIGIN\/tensorflow$/);
  });

  it('passes the compiler’s first errors on', async () => {
    const words =
      'In file included from a.cc:1:\na.h:3:10: fatal error: tensorflow/c/c_api.h: No such file\ncompilation terminated.';
    const error = await compileBinding(fakeRun({ 'c++': failed(words) }), compiler, await task()).catch(
      (e: Error) => e,
    );
    expect(error).toBeInstanceOf(DataError);
    expect(String(error)).toContain(
      'Compiling the binding of @tensorflow/tfjs-node 4.22.0 expected to work with c++ 12, received a.h:3:10: fatal error: tensorflow/c/c_api.h: No such file; try the recommended',
    );
  });
});
