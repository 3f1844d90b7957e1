import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { missingFromInstall, readExample } from './examples.js';
import { tarballProblems } from './tarball.js';
import { ROOT } from './workspace.js';

const MANIFEST = {
  name: '@drf/example',
  version: '0.1.0',
  description: 'an example',
  license: 'Apache-2.0',
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
  dependencies: { '@drf/tensor': '0.1.0' },
};

const FILES: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify(MANIFEST),
  LICENSE: 'Apache',
  'README.md':
    "```sh\nnpm install @drf/example @drf/tensor\n```\n\n```ts\nimport '@drf/example';\nconsole.log(1);\n```\n\nprints\n\n```text\n1\n```\n",
  'dist/index.js': "import { named } from '@drf/tensor';\nexport { named };\n",
  'dist/index.js.map': JSON.stringify({ sources: ['../src/index.ts'] }),
  'dist/index.d.ts': "export { named } from '@drf/tensor';\n",
  'src/index.ts': '',
};

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'tarball-'))));
afterEach(() => rm(folder, { recursive: true }));

/** An unpacked package with some files changed, or left out where they are null. */
async function unpacked(changes: Readonly<Record<string, string | null>> = {}): Promise<string> {
  for (const [path, content] of Object.entries({ ...FILES, ...changes })) {
    if (content === null) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

const withManifest = (changes: object): Readonly<Record<string, string>> => ({
  'package.json': JSON.stringify({ ...MANIFEST, ...changes }),
});

describe('a tarball', () => {
  it('that is as it should be has no problems', async () => {
    expect(await tarballProblems(await unpacked())).toEqual([]);
  });

  it.each([
    [{ LICENSE: null }, 'LICENSE is missing'],
    [{ 'src/index.test.ts': '' }, 'src/index.test.ts is needless'],
    [{ 'src/testing/folders.ts': '' }, 'src/testing/folders.ts is needless'],
    [{ 'dist/.tsbuildinfo': '{}' }, 'dist/.tsbuildinfo is needless'],
    [{ 'src/index.ts': null }, 'dist/index.js.map leads to src/index.ts, which is not there'],
    [
      { 'src/index.ts': `// ${join(ROOT, 'packages')}` },
      `src/index.ts names ${ROOT.replace(/\/$/, '')}, a folder of this machine`,
    ],
    [
      { 'dist/index.d.ts': "export type { Tensor } from '@tensorflow/tfjs';" },
      'dist/index.d.ts imports @tensorflow/tfjs, which package.json does not declare',
    ],
    [withManifest({ dependencies: { '@drf/tensor': 'workspace:*' } }), '@drf/tensor has the version "workspace:*"'],
    [withManifest({ exports: { '.': { source: './src/index.ts' } } }), 'exports "." shows the condition "source"'],
    [withManifest({ exports: { '.': './dist/main.js' } }), 'exports "." leads to ./dist/main.js, which is not there'],
    [withManifest({ private: true }), 'package.json says private'],
  ])('with a fault has it named: %j', async (changes: Readonly<Record<string, string | null>>, problem) => {
    expect(await tarballProblems(await unpacked(changes))).toContain(problem);
  });
});

describe('a README’s example', () => {
  it('is its first program, with what it prints and what to install', async () => {
    const example = await readExample(await unpacked());
    expect(example).toEqual({
      code: "import '@drf/example';\nconsole.log(1);\n",
      shown: '1\n',
      installed: ['@drf/example', '@drf/tensor'],
    });
    expect(missingFromInstall(example)).toEqual([]);
    expect(missingFromInstall({ ...example, installed: ['@drf/tensor'] })).toEqual(['@drf/example']);
  });

  it('may show nothing, and has to be there', async () => {
    await unpacked({ 'README.md': '```ts\nlet x;\n```\n\n```text\nelsewhere\n```\n' });
    expect((await readExample(folder)).shown).toBeNull();
    await unpacked({ 'README.md': 'nothing' });
    await expect(readExample(folder)).rejects.toThrow('README.md has no example');
  });
});
