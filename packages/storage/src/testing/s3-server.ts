import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a test sees it: `GET`, `posts/1.csv`, `bytes=0-9`. A list, a multipart upload's start and so on have none but queries. */
export interface S3Request {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

/** What a request gets instead of its answer: an error, none at all, half of the body, or the answer's effect without the answer. */
export type S3Fault = { readonly status: number; readonly code: string } | 'cut' | 'half' | 'lost';

/** An S3 server in this process, for tests: as much of the protocol as the storage uses, and switches to spoil it. */
export interface S3TestServer {
  readonly endpoint: string;
  /** Contents by `bucket/key`; a test may change them at any time. */
  readonly objects: Map<string, { body: Buffer; metadata: Record<string, string>; modified?: Date }>;
  readonly buckets: Set<string>;
  /** Parts of uploads that were neither completed nor aborted, by upload. */
  readonly uploads: ReadonlyMap<string, ReadonlyMap<number, Buffer>>;
  /** All that was asked so far. */
  readonly requests: S3Request[];
  /** Highest count of requests at the same time. */
  readonly mostAtOnce: () => number;
  /** Is awaited before each request is looked at: delay there, change objects, or give a fault. */
  before: (request: S3Request) => S3Fault | undefined | Promise<S3Fault | undefined>;
  close(): Promise<void>;
}

/**
 * Starts a server on a free port of this machine, with one bucket, `bucket`, and pages of so many keys.
 * @param etags false: none, as gateways to folders answer for files that were not written by them
 */
export async function startS3Server({ pageSize = 1000, etags = true } = {}): Promise<S3TestServer> {
  const objects: S3TestServer['objects'] = new Map();
  const buckets = new Set(['bucket']);
  const uploads = new Map<string, Map<number, Buffer>>();
  let [underWay, mostAtOnce] = [0, 0];
  const server = createServer((incoming, outgoing) => {
    mostAtOnce = Math.max(mostAtOnce, ++underWay);
    outgoing.on('close', () => underWay--);
    answer(incoming, outgoing).catch((error: Error) => outgoing.destroy(error));
  });

  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const url = new URL(incoming.url ?? '/', 'http://server');
    const [bucket = '', ...parts] = url.pathname.slice(1).split('/').map(decodeURIComponent);
    const { method = 'GET', headers } = incoming;
    const request = { method, bucket, key: parts.join('/'), query: url.searchParams, headers };
    result.requests.push(request);
    const body = Buffer.concat((await incoming.toArray()) as Buffer[]);
    const fault = await result.before(request);
    if (fault === 'cut') return void incoming.socket.destroy();
    const reply = typeof fault === 'object' ? refusal(fault.status, fault.code) : handle(request, body);
    if (fault === 'lost') return void incoming.socket.destroy();
    const content = Buffer.from(reply.body ?? '');
    outgoing.writeHead(reply.status, { 'content-length': content.length, ...reply.headers });
    if (method === 'HEAD') return void outgoing.end();
    if (fault !== 'half') return void outgoing.end(content);
    outgoing.write(content.subarray(0, content.length / 2), () => incoming.socket.destroy());
  };

  const handle = (request: S3Request, body: Buffer): Reply => {
    const { method, bucket, key, query, headers } = request;
    const name = `${bucket}/${key}`;
    if (headers.authorization === undefined) return refusal(403, 'AccessDenied');
    if (!buckets.has(bucket)) return refusal(404, 'NoSuchBucket');
    if (key === '' && query.has('uploads')) return listUploads(name, query);
    if (key === '') return query.has('list-type') ? list(bucket, query) : { status: 200 };

    const there = objects.get(name);
    const upload = query.get('uploadId');
    if (method === 'POST' && upload === null) {
      const id = JSON.stringify({ id: randomUUID(), name, metadata: metadataOf(headers) });
      uploads.set(id, new Map());
      return xml(`<InitiateMultipartUploadResult><UploadId>${escape(id)}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (upload !== null && method !== 'GET') {
      const pieces = uploads.get(upload);
      if (pieces === undefined) return refusal(404, 'NoSuchUpload');
      if (method === 'PUT') {
        pieces.set(Number(query.get('partNumber')), body);
        return { status: 200, headers: { etag: etagOf(body) } };
      }
      if (method === 'POST' && headers['if-none-match'] === '*' && there) return refusal(412, 'PreconditionFailed');
      uploads.delete(upload);
      if (method === 'DELETE') return { status: 204 };
      const content = Buffer.concat([...pieces].sort(([one], [other]) => one - other).map(([, piece]) => piece));
      const { metadata } = JSON.parse(upload) as { metadata: Record<string, string> };
      objects.set(name, { body: content, metadata });
      return xml(
        `<CompleteMultipartUploadResult><ETag>${escape(etagOf(content))}</ETag></CompleteMultipartUploadResult>`,
      );
    }
    if (method === 'PUT') {
      if (headers['if-none-match'] === '*' && there) return refusal(412, 'PreconditionFailed');
      objects.set(name, { body, metadata: metadataOf(headers) });
      return { status: 200, headers: { etag: etagOf(body) } };
    }
    if (method === 'DELETE') {
      objects.delete(name);
      return { status: 204 };
    }
    if (there === undefined) return refusal(404, 'NoSuchKey');
    const etag = etagOf(there.body);
    const wanted = headers['if-match'];
    if (wanted !== undefined && wanted !== etag) return refusal(412, 'PreconditionFailed');
    const meta = Object.entries(there.metadata).map(([of, value]) => [`x-amz-meta-${of}`, value]);
    const dated = { 'last-modified': (there.modified ?? new Date(0)).toUTCString() };
    const common = { ...(etags ? { etag } : {}), ...dated, ...Object.fromEntries(meta) };
    if (method === 'HEAD') return { status: 200, headers: { ...common, 'content-length': there.body.length } };
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
    if (range === null) return { status: 200, headers: common, body: there.body };
    const [start, end] = [Number(range[1]), Math.min(Number(range[2]) + 1, there.body.length)];
    if (start >= there.body.length) return refusal(416, 'InvalidRange');
    const of = { 'content-range': `bytes ${start}-${end - 1}/${there.body.length}` };
    return { status: 206, headers: { ...common, ...of }, body: there.body.subarray(start, end) };
  };

  /** Uploads behind the marker, which is the last one of the page before. */
  const listUploads = (bucketName: string, query: URLSearchParams): Reply => {
    const prefix = bucketName + (query.get('prefix') ?? '');
    const all = [...uploads.keys()].map((id) => ({ id, name: (JSON.parse(id) as { name: string }).name }));
    const meant = all.filter(({ name }) => name.startsWith(prefix));
    const from = meant.findIndex(({ id }) => id === query.get('upload-id-marker')) + 1;
    const page = meant.slice(from, from + pageSize);
    const entries = page.map(({ id, name }) => {
      const key = escape(name.slice(bucketName.length));
      return `<Upload><Key>${key}</Key><UploadId>${escape(id)}</UploadId></Upload>`;
    });
    const last = page.at(-1);
    const marker = `<NextKeyMarker>${escape(last?.name ?? '')}</NextKeyMarker><NextUploadIdMarker>${escape(last?.id ?? '')}</NextUploadIdMarker>`;
    return xml(
      `<ListMultipartUploadsResult><IsTruncated>${from + page.length < meant.length}</IsTruncated>${marker}${entries.join('')}</ListMultipartUploadsResult>`,
    );
  };

  /** Keys behind the token, which is the last key of the page before. */
  const list = (bucket: string, query: URLSearchParams): Reply => {
    const prefix = `${bucket}/${query.get('prefix') ?? ''}`;
    const after = query.get('continuation-token') ?? '';
    const keys = [...objects.keys()].filter((name) => name.startsWith(prefix)).map((name) => Buffer.from(name));
    const rest = keys.sort((one, other) => one.compare(other)).map(String);
    const from = after === '' ? 0 : rest.indexOf(after) + 1;
    const page = rest.slice(from, from + pageSize);
    const entries = page.map((name) => {
      const { body, modified = new Date(0) } = objects.get(name) as { body: Buffer; modified?: Date };
      const key = escape(name.slice(bucket.length + 1));
      const tag = etags ? `<ETag>${escape(etagOf(body))}</ETag>` : '';
      const date = modified.toISOString();
      return `<Contents><Key>${key}</Key>${tag}<Size>${body.length}</Size><LastModified>${date}</LastModified></Contents>`;
    });
    const isTruncated = from + page.length < rest.length;
    const next = isTruncated ? `<NextContinuationToken>${escape(page.at(-1) ?? '')}</NextContinuationToken>` : '';
    return xml(
      `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`,
    );
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const result: S3TestServer = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    buckets,
    uploads,
    requests: [],
    mostAtOnce: () => mostAtOnce,
    before: () => undefined,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return result;
}

interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string | number>;
  readonly body?: string | Buffer;
}

function xml(content: string): Reply {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: `<?xml version="1.0"?>${content}` };
}

function refusal(status: number, code: string): Reply {
  return { ...xml(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`), status };
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function metadataOf(headers: IncomingMessage['headers']): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  return Object.fromEntries(own.map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)]));
}
