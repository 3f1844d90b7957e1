import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Files by revision; a revision that is a branch or tag has a commit. */
export interface HubModel {
  readonly commit: string;
  readonly files: Readonly<Record<string, Buffer>>;
}

/** A server on this machine that answers as the Hugging Face hub does. */
export interface HubServer {
  readonly endpoint: string;
  /** Method, path and range of what was asked for. */
  readonly requests: string[];
  /** Headers of what was asked for last. */
  lastHeaders: IncomingMessage['headers'];
  /** Cuts the connection after so many bytes of the next large file, once. */
  cutAfter: number | undefined;
  /** Answers so many requests with this status first. */
  failing: { status: number; times: number } | undefined;
  close(): Promise<void>;
}

/** Longer files are kept in storage, to which the hub redirects, and named by their SHA-256. */
const LARGE = 4096;

function etagOf(content: Buffer): string {
  if (content.length > LARGE) return createHash('sha256').update(content).digest('hex');
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

function refuse(response: ServerResponse, status: number, code?: string): void {
  response.writeHead(status, code === undefined ? {} : { 'x-error-code': code }).end('no');
}

/**
 * @param models by id and revision ("someone/bert@main"); `gated/…` needs a token that nobody has
 * @param spoil changes a file's content on its way
 */
export async function startHubServer(
  models: Readonly<Record<string, HubModel>>,
  spoil: (content: Buffer) => Buffer = (content) => content,
): Promise<HubServer> {
  const hub: HubServer = {
    endpoint: '',
    requests: [],
    lastHeaders: {},
    cutAfter: undefined,
    failing: undefined,
    close: () => new Promise((resolve) => server.closeAllConnections() ?? server.close(() => resolve())),
  };

  const describe = (id: string, revision: string, response: ServerResponse): void => {
    if (id.startsWith('gated/')) return refuse(response, 403, 'GatedRepo');
    if (!Object.keys(models).some((name) => name.startsWith(`${id}@`))) return refuse(response, 401);
    const model = models[`${id}@${revision}`];
    if (model === undefined) return refuse(response, 404, 'RevisionNotFound');
    const siblings = Object.keys(model.files).map((rfilename) => ({ rfilename }));
    response.end(JSON.stringify({ id, sha: model.commit, siblings }));
  };

  const send = (content: Buffer, request: IncomingMessage, response: ServerResponse): void => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = spoil(content).subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
    const { cutAfter } = hub;
    if (cutAfter === undefined || body.length < cutAfter) return void response.end(body);
    hub.cutAfter = undefined;
    response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
  };

  const resolveFile = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const [, id, commit, file] = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const model = Object.entries(models).find(
      ([name, each]) => name.startsWith(`${id}@`) && each.commit === commit,
    )?.[1];
    const content = model?.files[file as string];
    if (content === undefined) return refuse(response, 404, 'EntryNotFound');
    const etag = `"${etagOf(content)}"`;
    if (content.length > LARGE) {
      const headers = {
        location: `${hub.endpoint}/storage${path}`,
        'x-linked-etag': etag,
        'x-linked-size': content.length,
      };
      return void response.writeHead(302, headers).end();
    }
    if (!request.url?.startsWith('/cache')) return void response.writeHead(307, { location: `/cache${path}` }).end();
    response.setHeader('etag', etag);
    if (request.method === 'HEAD') response.writeHead(200, { 'content-length': content.length }).end();
    else send(content, request, response);
  };

  const server = createServer((request, response) => {
    const { url = '', method, headers } = request;
    hub.requests.push(`${method} ${url}${headers.range === undefined ? '' : ` ${headers.range}`}`);
    hub.lastHeaders = headers;
    if (hub.failing !== undefined && hub.failing.times-- > 0) return refuse(response, hub.failing.status);
    const api = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(url);
    if (api !== null) return describe(api[1] as string, decodeURIComponent(api[2] as string), response);
    if (!url.startsWith('/storage')) return resolveFile(url.replace(/^\/cache/, ''), request, response);
    const [, id, commit, file] = /^\/storage\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(url) ?? [];
    const model = Object.entries(models).find(
      ([name, each]) => name.startsWith(`${id}@`) && each.commit === commit,
    )?.[1];
    send(model?.files[file as string] as Buffer, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  Object.assign(hub, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  onTestFinished(() => hub.close());
  return hub;
}
