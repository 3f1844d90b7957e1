// What may happen to work on several machines, done on purpose: to a unit, to what runs it, to a machine, to its cable, to the
// program that submitted it. Each waits for something that it can happen to, and says which.
import { execFile } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { kill, processOf } from './hosts.mjs';
import { check, isRaylet, isRayWorker, isUnit } from './laboratory.mjs';
import { until } from './servers.mjs';

const run = promisify(execFile);

/** The first process of some hosts for which a test holds, after it has lived for a while; undefined where the work is over first. */
async function anyProcess({ hosts, isOver, said, what, test, aliveFor = 700, seconds = 900 }) {
  const seen = new Map();
  for (const end = Date.now() + 1000 * seconds; Date.now() < end && !isOver(); await wait(100)) {
    for (const host of hosts) {
      for (const own of host.processes().filter(test)) {
        if (!seen.has(own.pid)) seen.set(own.pid, Date.now());
        if (Date.now() - seen.get(own.pid) >= aliveFor && processOf(own.pid)) return { host, ...own };
      }
    }
  }
  check(
    !isOver(),
    `the work was over before there was ${what} to kill: give it more to do; it said: ${said().trim().slice(-1500)}`,
  );
  check(false, `there was no ${what} within ${seconds} s`);
}

/**
 * Work on hosts that a command submits, as what kills them wants to know it.
 * @param submit starts the command
 */
export function submitWork(submit, { hosts, event }) {
  let submitter = submit();
  return {
    hosts,
    event,
    isOver: () => submitter.isOver,
    said: () => submitter.error + submitter.out,
    /** Those of the command that runs now. */
    processes: () => submitter.processes(),
    done: () => submitter.done(),
    /** Kills the command and gives it again. */
    async killSubmitter() {
      submitter.kill();
      await submitter.ended;
      event('kill -9 of the submitter');
      submitter = submit();
      event('the same command again');
    },
  };
}

/** Kills, of work by Ray, a worker, the command, which is given again, and a node: what every kind of work has to bear. */
export async function killAllKinds(work) {
  await killRayWorker(work);
  await work.killSubmitter();
  await killRaylet(work);
}

/** Kills a unit's process, at a moment of its work. */
export async function killUnit({ hosts, isOver, said, event, aliveFor }) {
  const { pid, host } = await anyProcess({ hosts, isOver, said, what: 'a unit', test: isUnit, aliveFor });
  kill(pid);
  event(`kill -9 of a unit on ${host.name}`);
}

/** Kills Ray's Python process that runs a unit. */
async function killRayWorker({ hosts, isOver, said, event }) {
  const unit = await anyProcess({ hosts, isOver, said, what: 'a unit', test: isUnit });
  let own = processOf(unit.pid);
  while (own !== undefined && !isRayWorker(own)) own = processOf(own.parent);
  check(own !== undefined, `a unit on ${unit.host.name} has no Ray worker above it`);
  kill(own.pid);
  event(`kill -9 of a Ray worker on ${unit.host.name}`);
  await until(
    `the end of the unit whose worker was killed (process ${unit.pid})`,
    20,
    () => processOf(unit.pid) === undefined,
  );
}

/** Kills a node's raylet, which ends the node; its service manager starts it again. */
async function killRaylet({ hosts, isOver, said, event }) {
  const { host } = await anyProcess({ hosts, isOver, said, what: 'a unit', test: isUnit });
  const raylet = host.processes().find(isRaylet);
  check(raylet !== undefined, `${host.name} has no raylet`);
  kill(raylet.pid);
  event(`kill -9 of the raylet on ${host.name}: the node is gone`);
  await backAgain(host, raylet.pid, event);
}

/** Cuts a machine's power; it comes back after some seconds. */
export async function cutPower({ hosts, isOver, said, event, off = 10 }) {
  const { host } = await anyProcess({ hosts, isOver, said, what: 'a unit', test: isUnit });
  host.powerOff();
  event(`power of ${host.name} cut`);
  await wait(1000 * off);
  await host.powerOn();
  await backAgain(host, undefined, event);
}

/** Pulls the cable of a host that works, and plugs it in again after some time. */
export async function pullCable({ hosts, isOver, said, event, seconds = 85 }) {
  const { host } = await anyProcess({ hosts, isOver, said, what: 'a unit', test: isUnit });
  const before = host.processes().find(isRaylet)?.pid;
  await host.pullCable();
  event(`cable of ${host.name} pulled`);
  await wait(1000 * seconds);
  await host.plugCable();
  event(`cable of ${host.name} plugged in after ${seconds} s`);
  await wait(10_000);
  const after = host.processes().find(isRaylet)?.pid;
  if (after === before) event(`Ray on ${host.name} went on`);
  else await backAgain(host, before, event);
}

async function backAgain(host, before, event) {
  await until(`Ray on ${host.name} again`, 600, () =>
    host.processes().some((own) => isRaylet(own) && own.pid !== before),
  );
  event(`Ray on ${host.name} started again`);
}

/**
 * Stands between programs and an S3 server and passes on what they say, until the beginning of an upload comes by that is
 * asked for: half of what has come then goes on to the server, and the process that sends it is killed. It counts what comes by.
 * @param below the keys whose uploads count: `/lab/judged/part-`
 */
export async function tapServer(server, { address, hosts = [], below, event }) {
  const target = new URL(server.endpoint);
  const sockets = new Set();
  const requests = { GET: 0, HEAD: 0, PUT: 0, POST: 0, DELETE: 0 };
  let [wanted, happened, answered] = [0, 0, 0];
  const tap = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      // prettier-ignore
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => (sockets.delete(one), other.destroy()));
    }
    upstream.on('data', (chunk) => void (answered += chunk.length)).pipe(client);
    client.on('data', (chunk) => {
      const [method] = /^[A-Z]+(?= \/)/.exec(chunk.subarray(0, 10).toString('latin1')) ?? [];
      if (method in requests) requests[method]++;
      const [, path] = /^PUT (\S+)|^POST (\S+\?uploads)/.exec(chunk.subarray(0, 2000).toString('latin1')) ?? [];
      if (wanted > happened && path?.startsWith(below) && !upstream.destroyed) {
        happened++;
        client.pause();
        upstream.write(chunk.subarray(0, Math.ceil(chunk.length / 2)));
        void killSender(client, hosts, event, path).finally(() => (client.destroy(), upstream.end()));
      } else if (!upstream.write(chunk)) {
        client.pause();
        upstream.once('drain', () => client.resume());
      }
    });
    client.on('end', () => upstream.end());
  });
  await new Promise((resolve, reject) => tap.once('error', reject).listen(0, address, resolve));
  return {
    /** How many have come by, of each method. */
    requests,
    /** Bytes of all answers so far, with what HTTP adds. */
    answeredBytes: () => answered,
    env: { ...server.env, AWS_ENDPOINT_URL_S3: `http://${address}:${tap.address().port}` },
    /** Asks for the next upload's sender to be killed. @returns a function that says how many were, of all that were asked for */
    killNext: () => (wanted++, () => happened),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => tap.close(resolve));
    },
  };
}

async function killSender({ remoteAddress, remotePort }, hosts, event, path) {
  const ip = remoteAddress.replace('::ffff:', '');
  const host = hosts.find(({ address }) => address === ip);
  const namespace = host ? ['netns', 'exec', host.namespace] : undefined;
  const query = ['-tnpH', 'state', 'established', `sport = :${remotePort}`];
  const { stdout } = await (namespace ? run('ip', [...namespace, 'ss', ...query]) : run('ss', query));
  const pid = Number(/pid=(\d+)/.exec(stdout)?.[1]);
  check(pid > 0, `nobody owns the connection ${ip}:${remotePort}`);
  kill(pid);
  event(`kill -9 of a unit on ${host?.name ?? 'this machine'} in the middle of its upload of ${path.split('?')[0]}`);
}
