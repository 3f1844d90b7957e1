import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';

/** Requests of a process at a time, to all buckets together; each is given a piece of at most {@link PIECE_BYTES}. */
const MOST_REQUESTS = 16;
/** Bytes that one request reads or writes of a larger object. */
export const PIECE_BYTES = 8 * 1024 * 1024;

const CONNECT_MS = 10_000;
/** Without a byte. */
const SILENCE_MS = 60_000;
/** A busy store (503 SlowDown) lets go after some seconds; the client's own 3 attempts are over within one. */
const ATTEMPTS = 5;
const REGION = 'us-east-1';

/** A client, with what messages say of it. */
export interface Connection {
  readonly client: S3Client;
  readonly endpoint: string;
  readonly region: string;
}

const connections = new Map<string, Promise<Connection>>();

/** The client for what the environment says now; one for all locations, since connections are kept open. */
export function connect(environment: NodeJS.ProcessEnv = process.env): Promise<Connection> {
  const settings = Object.entries(environment).filter(([name]) => name.startsWith('AWS_'));
  const key = JSON.stringify(settings.sort());
  const connection = connections.get(key) ?? open(environment);
  connections.set(key, connection);
  return connection;
}

async function open(environment: NodeJS.ProcessEnv): Promise<Connection> {
  // Node 20 is supported here; which versions later clients run on is for those who update the lockfile
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const endpoint = environment['AWS_ENDPOINT_URL_S3'] || environment['AWS_ENDPOINT_URL'];
  const agent = { keepAlive: true, maxSockets: 2 * MOST_REQUESTS }; // never the limit: that is `limited`'s part
  const config: S3ClientConfig = {
    ...(environment['AWS_MAX_ATTEMPTS'] ? {} : { maxAttempts: ATTEMPTS }),
    // stores of one's own have no name for each bucket, and few know the checksums that the client adds unasked
    ...(endpoint ? { forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' } : {}),
    followRegionRedirects: true,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      httpAgent: new Agent(agent),
      httpsAgent: new SecureAgent(agent),
    },
  };
  // the variables and the profile, as the client reads them; it has no default of its own
  const given = environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'];
  const region = given || (await new S3Client(config).config.region().catch(() => REGION));
  const client = new S3Client({ ...config, region });
  limit(client);
  return { client, endpoint: endpoint ? shown(endpoint) : `Amazon S3 (${region})`, region };
}

/** An address without a name and password that stand in it. */
function shown(address: string): string {
  return address.replace(/\/\/[^/]*@/, '//');
}

let running = 0;
const waiting: (() => void)[] = [];

/** Runs at most {@link MOST_REQUESTS} at a time, in the order of the calls. */
async function limited<T>(request: () => Promise<T>): Promise<T> {
  if (running >= MOST_REQUESTS) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await request();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next(); // it takes this one's place
  }
}

/**
 * Bounds the requests under way, those of multipart uploads among them, and reads bodies within the client's own
 * attempts: a connection that breaks in the middle of a body is tried again like one that breaks before it.
 */
function limit(client: S3Client): void {
  client.middlewareStack.add((next) => (given) => limited(() => next(given)), {
    step: 'initialize',
    name: 'limitRequests',
    priority: 'high',
  });
  client.middlewareStack.add(
    (next) => async (given) => {
      const result = await next(given);
      const { output } = result;
      if ('Body' in output && output.Body !== undefined && 'transformToByteArray' in output.Body) {
        Object.assign(output, { Body: await output.Body.transformToByteArray() });
      }
      return result;
    },
    { step: 'finalizeRequest', name: 'readBody', priority: 'low' }, // inside of the middleware that tries again,
  );
}
