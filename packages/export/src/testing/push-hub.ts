import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A repository of {@link PushHub}: files by path, of each branch. */
interface HubRepository {
  readonly isPrivate: boolean;
  readonly branches: Map<string, Map<string, Buffer>>;
  /** Titles, oldest first. */
  readonly commits: string[];
}

/** A server on this machine that takes what the hub takes: new repositories, Git LFS, commits. */
export interface PushHub {
  readonly endpoint: string;
  readonly repositories: Map<string, HubRepository>;
  /** "POST /api/repos/create", in their order. */
  readonly requests: string[];
  /** Answers so many requests whose path has a text with this status first. */
  failing: { status: number; times: number; path: string } | undefined;
  /** Called before an answer. */
  onRequest: (request: string) => void;
}

/** The token that may write. */
export const HUB_TOKEN = 'hf_ofThisTestAlone';

/** Longer files go to LFS. */
const LARGE = 4096;

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

interface CommitLine {
  readonly key: string;
  readonly value: { readonly summary?: string; readonly path: string; readonly content: string; readonly oid: string; readonly encoding: BufferEncoding }; // prettier-ignore
}

/** Starts it; it ends with the test. */
export async function startPushHub(): Promise<PushHub> {
  /** Content by SHA-256. */
  const storage = new Map<string, Buffer>();
  const hub: PushHub = {
    endpoint: '',
    repositories: new Map(),
    requests: [],
    failing: undefined,
    onRequest: () => undefined,
  };
  const answer = (response: ServerResponse, status: number, content: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
  };
  const refuse = (response: ServerResponse, status: number, error: string): void => answer(response, status, { error });

  const create = (body: Buffer, response: ServerResponse): void => {
    const { name, organization, visibility } = JSON.parse(String(body)) as Readonly<Record<string, string>>;
    const id = `${organization}/${name}`;
    if (organization === 'stranger') return refuse(response, 403, 'You don’t have the rights to create a model there');
    if (hub.repositories.has(id)) return refuse(response, 409, 'You already created this model repo');
    const files = new Map([['.gitattributes', Buffer.from('*.onnx filter=lfs\n')]]);
    hub.repositories.set(id, {
      isPrivate: visibility === 'private',
      branches: new Map([['main', files]]),
      commits: [],
    });
    answer(response, 200, { url: `${hub.endpoint}/${id}`, id });
  };

  const pathsInfo = (files: ReadonlyMap<string, Buffer>, body: Buffer, response: ServerResponse): void => {
    const { paths } = JSON.parse(String(body)) as { readonly paths: readonly string[] };
    const described = paths.flatMap((path) => {
      const content = files.get(path);
      if (content === undefined) return [];
      const blob = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
      const lfs = { oid: sha256(content), size: content.length, pointerSize: 130 };
      return [{ type: 'file', path, oid: content.length > LARGE ? 'of the pointer' : blob, size: content.length, ...(content.length > LARGE ? { lfs } : {}) }]; // prettier-ignore
    });
    answer(response, 200, described);
  };

  const preupload = (body: Buffer, response: ServerResponse): void => {
    const { files } = JSON.parse(String(body)) as { readonly files: readonly { path: string; size: number }[] };
    answer(response, 200, { files: files.map(({ path, size }) => ({ path, uploadMode: size > LARGE ? 'lfs' : 'regular' })) }); // prettier-ignore
  };

  const batch = (body: Buffer, response: ServerResponse): void => {
    const { objects } = JSON.parse(String(body)) as { readonly objects: readonly { oid: string; size: number }[] };
    const action = (oid: string) => ({ actions: { upload: { href: `${hub.endpoint}/storage/${oid}` } } });
    answer(response, 200, { transfer: 'basic', objects: objects.map(({ oid, size }) => ({ oid, size, ...(storage.has(oid) ? {} : action(oid)) })) }); // prettier-ignore
  };

  const commit = (repository: HubRepository, branch: string, body: Buffer, response: ServerResponse): void => {
    const files = repository.branches.get(branch) as Map<string, Buffer>;
    for (const line of String(body).split('\n')) {
      const { key, value } = JSON.parse(line) as CommitLine;
      if (key === 'header') repository.commits.push(String(value.summary));
      if (key === 'file') files.set(value.path, Buffer.from(value.content, value.encoding));
      if (key !== 'lfsFile') continue;
      const content = storage.get(value.oid);
      if (content === undefined) return refuse(response, 400, `${value.path} was not uploaded`);
      files.set(value.path, content);
    }
    const oid = createHash('sha1').update(repository.commits.join()).digest('hex');
    answer(response, 200, {
      commitOid: oid,
      commitUrl: `${hub.endpoint}/commit/${oid}`,
      hookOutput: '',
      success: true,
    });
  };

  const respond = (request: IncomingMessage, body: Buffer, response: ServerResponse): void => {
    const { url = '', method, headers } = request;
    hub.requests.push(`${method} ${url}`);
    hub.onRequest(`${method} ${url}`);
    const { failing } = hub;
    if (failing !== undefined && url.includes(failing.path) && failing.times-- > 0) return refuse(response, failing.status, 'not now'); // prettier-ignore
    const stored = /^\/storage\/(\w+)$/.exec(url)?.[1];
    if (stored !== undefined) {
      if (headers.authorization !== undefined) return refuse(response, 400, 'a token went to the storage');
      if (sha256(body) !== stored) return refuse(response, 400, 'other content than was announced');
      storage.set(stored, body);
      return void response.writeHead(200).end();
    }
    if (headers.authorization !== `Bearer ${HUB_TOKEN}`) return refuse(response, 401, 'Invalid username or password.');
    if (url === '/api/repos/create') return create(body, response);
    const lfs = /^\/(.+)\.git\/info\/lfs\/objects\/batch$/.exec(url)?.[1];
    const [, named, what, branch = 'main'] = /^\/api\/models\/([^/]+\/[^/]+)\/([\w-]+)\/(.+)$/.exec(url) ?? [];
    const repository = hub.repositories.get(lfs ?? named ?? '');
    if (repository === undefined) return refuse(response, 404, 'Repository not found');
    if (lfs !== undefined) return batch(body, response);
    const files = repository.branches.get(decodeURIComponent(branch));
    if (what === 'branch') {
      repository.branches.set(decodeURIComponent(branch), new Map(repository.branches.get('main')));
      return answer(response, 200, {});
    }
    if (files === undefined) return refuse(response, 404, 'Invalid rev id');
    if (what === 'paths-info') return pathsInfo(files, body, response);
    if (what === 'preupload') return preupload(body, response);
    if (what === 'commit') return commit(repository, decodeURIComponent(branch), body, response);
    refuse(response, 404, 'Not found');
  };

  const server = createServer((request, response) => {
    bodyOf(request).then(
      (body) => respond(request, body, response),
      () => response.destroy(), // whoever sends has gone
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  Object.assign(hub, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  onTestFinished(() => new Promise<void>((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
  return hub;
}
