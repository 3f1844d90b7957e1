// Servers of the laboratory: Ray over its hosts, and two that speak S3. Each is ready when its promise is fulfilled.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { HOST_TMP, kill } from './hosts.mjs';

const DASHBOARD = 8265;
const RESTART_MS = 5000;
/** Ray gives a node 30 s to start, which a busy machine does not keep: it starts before others, and then goes on like them. */
const [PRIORITY, PRIORITY_MS] = [-15, 30_000];
/** A busy machine takes minutes to start Ray, and Ray gives up and is started again. */
const START_SECONDS = 300;

/** An HTTP request without the headers of browsers, which Ray refuses. @returns status and text */
export function http(method, url, { headers = {}, body, timeout = 5000 } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, timeout }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => void (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, text }));
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject).end(body);
  });
}

/** Waits until a check holds. @throws Error naming what was waited for, with the check's last error */
export async function until(what, seconds, check) {
  const end = Date.now() + 1000 * seconds;
  let last;
  while (Date.now() < end) {
    try {
      if (await check()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await wait(250);
  }
  throw new Error(`${what}: not within ${seconds} s${last ? ` (${last.message})` : ''}`);
}

/**
 * Starts Ray on the laboratory's hosts: the first is the head and does no work, each other is a node with `cores` cores.
 * Requests need a token; nothing is sent home.
 * @param log a folder for what Ray prints
 * @param env variables of the nodes, such as credentials of a storage: a job does not carry them
 */
export async function startRay(lab, { ray, log, cores = 2, env: own = {} }) {
  const [head, ...others] = lab.hosts;
  const token = randomBytes(24).toString('hex');
  const env = {
    ...process.env,
    PATH: `${dirname(ray)}:${process.env.PATH}`,
    RAY_AUTH_MODE: 'token',
    RAY_AUTH_TOKEN: token,
    RAY_USAGE_STATS_ENABLED: '0',
    RAY_TMPDIR: HOST_TMP,
    ...own,
  };
  await mkdir(log, { recursive: true });
  /** Starts Ray on a host, and again whenever it has ended while the host is on, as a service manager does. */
  const keep = async (host, args) => {
    const out = createWriteStream(join(log, `ray-${host.name}.log`), { flags: 'a' });
    for (; !lab.isRemoved(); await wait(RESTART_MS)) {
      if (!host.isOn()) continue;
      for (const { pid } of host.processes().filter(({ args: [program] }) => program !== 'sleep')) kill(pid); // of one before
      const child = host.spawn(ray, ['start', '--block', '--node-ip-address', host.address, '--object-store-memory', '200000000', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }); // prettier-ignore
      child.stdout.pipe(out, { end: false });
      child.stderr.pipe(out, { end: false });
      takePriority();
      await new Promise((resolve) => child.once('close', resolve));
    }
  };
  const startHead = () =>
    keep(head, ['--head', '--port', '6379', '--num-cpus', '0', '--dashboard-host', head.address, '--dashboard-port', String(DASHBOARD), '--temp-dir', HOST_TMP, '--disable-usage-stats']); // prettier-ignore
  const startNode = (host) =>
    keep(host, ['--address', `${head.address}:6379`, '--num-cpus', String(cores), '--num-gpus', '0']);
  const url = `http://${head.address}:${DASHBOARD}`;
  const headers = { authorization: `Bearer ${token}` };
  const nodes = async () => {
    const { status, text } = await http('GET', `${url}/nodes?view=summary`, { headers });
    if (status !== 200) throw new Error(`${status} ${text.slice(0, 200)}`);
    return JSON.parse(text).data.summary.filter(({ raylet }) => raylet.state === 'ALIVE').length;
  };
  void startHead();
  await until(
    `Ray's head on ${head.address}`,
    90,
    async () => (await http('GET', `${url}/api/version`, { headers })).status === 200,
  );
  for (const host of others) void startNode(host);
  await until(`Ray's ${others.length} nodes`, START_SECONDS, async () => (await nodes()) > others.length);
  return {
    on: `ray://${head.address}:${DASHBOARD}`,
    url,
    token,
    nodes,
    env: { RAY_AUTH_MODE: 'token', RAY_AUTH_TOKEN: token },
    /** @returns the status of a job's submission without a token */
    postWithoutToken: async () => (await http('POST', `${url}/api/jobs/`, { body: '{"entrypoint":"true"}', headers: { 'content-type': 'application/json' } })).status, // prettier-ignore
  };
}

let priorityEnds;

/** Linux deals out time by sessions first: this one's, with all that it has started, has priority for a while. */
function takePriority() {
  const set = (value) => {
    try {
      writeFileSync('/proc/self/autogroup', String(value));
    } catch {
      // a kernel without such groups
    }
  };
  set(PRIORITY);
  clearTimeout(priorityEnds);
  priorityEnds = setTimeout(set, PRIORITY_MS, 0).unref();
}

/** A free port of an address of this machine. */
export async function freePort(address) {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, address, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts an S3 server with a bucket: `versitygw` over a folder, or `moto` in memory.
 * @returns its endpoint, the variables by which programs find it, and the id of its process
 */
export async function startS3(kind, { program, address, folder, log, bucket = 'lab' }) {
  const port = await freePort(address);
  const key = { AWS_ACCESS_KEY_ID: 'laboratory', AWS_SECRET_ACCESS_KEY: randomBytes(16).toString('hex') };
  await mkdir(log, { recursive: true });
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const args = {
    versitygw: ['--port', `${address}:${port}`, '--access', key.AWS_ACCESS_KEY_ID, '--secret', key.AWS_SECRET_ACCESS_KEY, '--region', 'us-east-1', '--quiet', 'posix', folder], // prettier-ignore
    moto: ['--host', address, '--port', String(port)],
  }[kind];
  const out = createWriteStream(join(log, `${kind}.log`), { flags: 'a' });
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  child.stdout.pipe(out, { end: false });
  child.stderr.pipe(out, { end: false });
  let ended;
  child.once('exit', (code) => void (ended = code ?? 'a signal'));
  child.once('error', (error) => void (ended = error.message));
  const endpoint = `http://${address}:${port}`;
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'; // as @drf/storage does
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: key.AWS_ACCESS_KEY_ID, secretAccessKey: key.AWS_SECRET_ACCESS_KEY },
  });
  const stop = async () => {
    client.destroy();
    if (ended !== undefined) return;
    child.kill('SIGTERM');
    await Promise.race([
      new Promise((resolve) => child.once('exit', resolve)),
      wait(3000).then(() => child.kill('SIGKILL')),
    ]);
  };
  try {
    await until(`${kind} on ${endpoint}`, 30, async () => {
      if (ended !== undefined) throw new Error(`it ended with ${ended}: see ${join(log, `${kind}.log`)}`);
      await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error) => {
        if (!/BucketAlreadyOwnedByYou|BucketAlreadyExists/.test(error.name)) throw error;
      });
      return true;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const env = { ...key, AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_S3: endpoint, AWS_EC2_METADATA_DISABLED: 'true' };
  return { kind, endpoint, bucket, client, env, pid: child.pid, stop };
}
