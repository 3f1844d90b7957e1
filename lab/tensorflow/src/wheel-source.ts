import { mkdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DataError, UnavailableError } from '@drf/tensor';
import { assertRoom, diskError, gigabytes, type Tools } from './tools.js';
import { download, fileSha256 } from './download.js';
import { wheelProject, type Device, type Platform } from './platform.js';
import { findPython, packageIndex, type Python } from './python.js';
import { lastLines } from '@drf/terminal';
import { chooseWheel, listFiles } from './simple-index.js';

/** A wheel on this machine. */
export interface WheelFile {
  readonly path: string;
  readonly sha256: string;
  /** Whether it was fetched for this build and may be deleted after it. */
  readonly fetched: boolean;
}

/** @throws DataError when there is no such file */
export async function wheelFromFile(path: string, tools: Tools): Promise<WheelFile> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new DataError({
      subject: '--from-wheel',
      expected: 'a wheel of tensorflow or tensorflow-cpu',
      received: `${path}, which is no file`,
      remedy: 'check the path',
    });
  }
  tools.say(`Reading ${basename(path)} (${gigabytes(found.size)}) …`);
  return { path, sha256: await fileSha256(path), fetched: false };
}

export interface IndexRequest {
  readonly version: string;
  readonly device: Device;
  readonly platform: Platform;
  /** Where the wheel is put. */
  readonly folder: string;
}

/**
 * Fetches the wheel of a version from the package index that pip is configured for. The file is downloaded by this
 * program, which goes on where it stopped; where the index wants what only pip knows (a password, a proxy, links to
 * other places), pip downloads it.
 * @throws UnavailableError without pip or network, DataError when the index has no such version
 */
export async function wheelFromIndex(request: IndexRequest, tools: Tools): Promise<WheelFile> {
  await mkdir(request.folder, { recursive: true }).catch((error: unknown) => {
    throw diskError(request.folder, error);
  });
  tools.say(`Looking for TensorFlow ${request.version} …`);
  const python = await findPython(tools.run);
  const index = await packageIndex(tools.run, python);
  if (index === undefined) return downloadByPip(request, python, tools);
  try {
    return await downloadFromIndex(index, request, tools);
  } catch (error) {
    tools.signal?.throwIfAborted();
    if (!(error instanceof UnavailableError)) throw error;
    tools.say(`${error.report.subject}: ${error.report.received}. Asking pip instead …`);
    return downloadByPip(request, python, tools, error);
  }
}

async function downloadFromIndex(index: string, request: IndexRequest, tools: Tools): Promise<WheelFile> {
  const { version, device, platform, folder } = request;
  const project = wheelProject(device, platform);
  const file = chooseWheel(await listFiles(index, project, tools.get), { project, version, platform });
  const path = join(folder, basename(file.filename));
  const size = file.bytes === undefined ? '' : ` (${gigabytes(file.bytes)})`;
  if (file.bytes !== undefined) await assertRoom(folder, file.bytes, tools.free);
  tools.say(`Fetching ${file.filename}${size} …`);
  const { get, signal, silent } = tools;
  await download(file.url, path, { sha256: file.sha256, get, signal, silent });
  return { path, sha256: file.sha256 ?? (await fileSha256(path)), fetched: true };
}

async function downloadByPip(
  { version, device, platform, folder }: IndexRequest,
  python: Python,
  tools: Tools,
  cause?: UnavailableError,
): Promise<WheelFile> {
  const project = wheelProject(device, platform);
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--dest',
    folder,
    `${project}==${version}`,
  ];
  const result = await tools.run(python.command, args, { signal: tools.signal, onOutput: tools.relay });
  tools.signal?.throwIfAborted();
  const name = /(?:Saved|already downloaded:?) (?:.*[/\\])?([^/\\\s]+\.whl)/.exec(result.stdout)?.[1];
  if (result.code === 0 && name !== undefined) {
    const path = join(folder, name);
    return { path, sha256: await fileSha256(path), fetched: true };
  }
  throw new UnavailableError(
    {
      subject: `Fetching ${project} ${version}`,
      expected: 'the package index to be reachable',
      received: cause?.report.received ?? lastLines(result.stderr, 2),
      remedy:
        'check the network and pip’s configuration ("pip config list"), or fetch a wheel elsewhere and pass it by --from-wheel',
    },
    { cause },
  );
}
