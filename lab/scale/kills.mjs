// What may happen to work on several machines, done on purpose: to a unit, to what runs it, to a machine, to its cable, to the
// program that submitted it. Each waits for something that it can happen to, and says which.
import { setTimeout as wait } from 'node:timers/promises';
import { check, isRaylet, isRayWorker, isUnit, kill } from './laboratory.mjs';
import { processOf } from './hosts.mjs';
import { until } from './servers.mjs';

/** The first process of some hosts for which a test holds, after it has lived for a while; undefined where the work is over first. */
async function anyProcess({ hosts, isOver, what, test, aliveFor = 700, seconds = 240 }) {
  const seen = new Map();
  for (const end = Date.now() + 1000 * seconds; Date.now() < end && !isOver(); await wait(100)) {
    for (const host of hosts) {
      for (const own of host.processes().filter(test)) {
        if (!seen.has(own.pid)) seen.set(own.pid, Date.now());
        if (Date.now() - seen.get(own.pid) >= aliveFor && processOf(own.pid)) return { host, ...own };
      }
    }
  }
  check(!isOver(), `the work was over before there was ${what} to kill: give it more to do`);
  check(false, `there was no ${what} within ${seconds} s`);
}

/** Kills a unit's process, at a moment of its work. */
export async function killUnit({ hosts, isOver, event, aliveFor, test = isUnit, what = 'a unit' }) {
  const { pid, host } = await anyProcess({ hosts, isOver, what: 'a unit', test, aliveFor });
  kill(pid);
  event(`kill -9 of ${what} on ${host.name}`);
}

/** Kills Ray's Python process that runs a unit. */
export async function killRayWorker({ hosts, isOver, event }) {
  const unit = await anyProcess({ hosts, isOver, what: 'a unit', test: isUnit });
  let own = processOf(unit.pid);
  while (own !== undefined && !isRayWorker(own)) own = processOf(own.parent);
  check(own !== undefined, `a unit on ${unit.host.name} has no Ray worker above it`);
  kill(own.pid);
  event(`kill -9 of a Ray worker on ${unit.host.name}`);
  await until(`the end of the unit whose worker was killed (process ${unit.pid})`, 20, () => processOf(unit.pid) === undefined);
}

/** Kills a node's raylet, which ends the node; another stands in after some seconds, as a service manager would do. */
export async function killRaylet({ ray, hosts, isOver, event, standIn = 10 }) {
  const { host } = await anyProcess({ hosts, isOver, what: 'a unit', test: isUnit });
  const raylet = host.processes().find(isRaylet);
  check(raylet !== undefined, `${host.name} has no raylet`);
  kill(raylet.pid);
  event(`kill -9 of the raylet on ${host.name}: the node is gone`);
  await wait(1000 * standIn);
  ray.startNode(host);
  event(`Ray started again on ${host.name}`);
}

/** Cuts a machine's power; it comes back after some seconds. */
export async function cutPower({ ray, hosts, isOver, event, off = 10 }) {
  const { host } = await anyProcess({ hosts, isOver, what: 'a unit', test: isUnit });
  host.powerOff();
  event(`power of ${host.name} cut`);
  await wait(1000 * off);
  await host.powerOn();
  ray.startNode(host);
  event(`${host.name} on again`);
}

/** Pulls the cable of a host that works; `ray start` does not outlive a long absence, so it is started again. */
export async function pullCable({ ray, hosts, isOver, event, seconds = 85 }) {
  const { host } = await anyProcess({ hosts, isOver, what: 'a unit', test: isUnit });
  await host.pullCable();
  event(`cable of ${host.name} pulled`);
  await wait(1000 * seconds);
  await host.plugCable();
  event(`cable of ${host.name} plugged in after ${seconds} s`);
  await wait(5000);
  if (host.processes().some(isRaylet)) {
    event(`Ray on ${host.name} is still there`);
    return;
  }
  ray.startNode(host);
  event(`Ray on ${host.name} had ended; started again`);
}
