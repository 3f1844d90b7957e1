import { describe, expect, it } from 'vitest';
import { DataError, UnavailableError } from '@drf/tensor';
import { KNOWN_WHEELS, wheelPlatform, wheelProject } from './platform.js';
import { chooseWheel, listFiles, type IndexFile } from './simple-index.js';
import { NO_NETWORK } from './testing/fake-tools.js';

const INDEX = 'https://index.example/simple';
const HASH = 'a'.repeat(64);

const answering =
  (body: string, type: string, status = 200): typeof fetch =>
  async () =>
    new Response(body, { status, headers: { 'content-type': type } });

describe('listFiles', () => {
  const expected = { filename: 'a-1.whl', url: 'https://index.example/files/a-1.whl', sha256: HASH };

  it('reads JSON', async () => {
    const files = [{ filename: 'a-1.whl', url: '/files/a-1.whl', hashes: { sha256: HASH }, size: 7 }];
    const get = answering(JSON.stringify({ files }), 'application/vnd.pypi.simple.v1+json');
    expect(await listFiles(INDEX, 'a', get)).toEqual([{ ...expected, bytes: 7 }]);
  });

  it('reads the older page of links', async () => {
    const page = `<html><a href="../../files/a-1.whl#sha256=${HASH}" data-requires-python="&gt;=3.9">a-1.whl</a></html>`;
    expect(await listFiles(INDEX, 'a', answering(page, 'text/html'))).toEqual([expected]);
  });

  it.each([
    [answering('', 'text/html', 404), 'HTTP status 404'],
    [answering('{', 'application/json'), 'JSON'],
    [NO_NETWORK, 'fetch failed: getaddrinfo ENOTFOUND index.example'],
  ])('says what it got instead', async (get, received) => {
    const error = await listFiles(INDEX, 'a', get).catch((caught: Error) => caught);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain('The package index https://index.example/simple/a/ expected a list of files');
    expect(String(error)).toContain(received);
  });
});

describe('chooseWheel', () => {
  const file = (filename: string, sha256?: string): IndexFile => ({ filename, url: `${INDEX}/${filename}`, sha256 });
  const x64 = wheelPlatform('linux-x64', false);
  const wanted = { project: 'tensorflow-cpu', version: '2.18.1', platform: x64 };
  const files = [
    file('tensorflow_cpu-2.18.1.tar.gz'),
    file('tensorflow_cpu-2.18.1-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl'),
    file('tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl'),
    file('tensorflow_cpu-2.18.1-cp312-cp312-win_amd64.whl'),
    file('tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_aarch64.whl'),
    file('tensorflow_cpu-2.18.10-cp312-cp312-manylinux_2_17_x86_64.whl'),
  ];

  it('takes the newest Python’s wheel of the version for the platform', () => {
    expect(chooseWheel(files, wanted).filename).toBe(files[2]?.filename);
    const arm = { ...wanted, platform: wheelPlatform('linux-arm64', false) };
    expect(chooseWheel(files, arm).filename).toBe(files[4]?.filename);
  });

  it('prefers a wheel that is known', () => {
    const known = file('tensorflow_cpu-2.18.1-cp311-cp311-manylinux_2_17_x86_64.whl', [...KNOWN_WHEELS.keys()][0]);
    expect(chooseWheel([...files, known], wanted)).toBe(known);
  });

  it('names the versions that there are', () => {
    const absent = { ...wanted, version: '3.0.0' };
    expect(() => chooseWheel(files, absent)).toThrow(DataError);
    expect(() => chooseWheel(files, absent)).toThrow(
      'tensorflow-cpu 3.0.0 expected a wheel for linux-x64 on the package index, received wheels of 2.18.1, 2.18.10; name one',
    );
    expect(() => chooseWheel([], absent)).toThrow(/received wheels of no version at all/);
  });
});

describe('wheelPlatform', () => {
  it('says where no wheel helps', () => {
    expect(() => wheelPlatform('win32-x64', false)).toThrow(
      'expected one of linux-x64, linux-arm64, darwin-arm64, darwin-x64, with glibc on Linux, received win32-x64; try',
    );
    expect(() => wheelPlatform('linux-x64', true)).toThrow(/received linux-x64 with musl/);
  });

  it('takes the small wheel where there is one', () => {
    const arm = wheelPlatform('linux-arm64', false);
    const x64 = wheelPlatform('linux-x64', false);
    expect([wheelProject('cpu', x64), wheelProject('gpu', x64), wheelProject('cpu', arm)]).toEqual([
      'tensorflow-cpu',
      'tensorflow',
      'tensorflow',
    ]);
  });
});
