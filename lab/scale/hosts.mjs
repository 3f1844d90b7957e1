// Hosts made of namespaces: each has a network address on a bridge, a hostname, processes, a /dev/shm and a temporary folder
// of its own, and shares the rest of the disk, as machines with a shared folder do. Needs root, iproute2 and util-linux.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { MissingTool } from './tools.mjs';

const run = promisify(execFile);
const ip = (...args) => run('ip', args);

/** Every host's temporary folder, at the same place in each: Ray names its head's to all nodes. Short, for sockets' names. */
export const HOST_TMP = '/tmp/drf-host';

/** Said as the first process of a host: it reaps what nobody waits for, and all of the host ends with it. */
const INIT = `
set -e
hostname "$1"
mount -t tmpfs -o size=3g tmpfs /dev/shm
mkdir -p ${HOST_TMP}
mount --bind "$2" ${HOST_TMP}
trap : INT TERM HUP
echo up
set +e
while :; do sleep 3600 & wait; done`;

/** @returns why hosts cannot be made here, or undefined where they can */
export async function whyNoHosts() {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid() !== 0) return 'making network namespaces needs root';
  for (const [command, from] of [
    ['ip', 'iproute2'],
    ['unshare', 'util-linux'],
    ['nsenter', 'util-linux'],
  ]) {
    // prettier-ignore
    if (!(await run('which', [command]).catch(() => undefined))) return `${command} is missing (Debian: ${from})`;
  }
  const probe = ['--net', '--mount', '--uts', '--pid', '--fork', '--mount-proc', 'sh', '-c', 'hostname probe && mount -t tmpfs tmpfs /dev/shm && ip link add probe type bridge']; // prettier-ignore
  return run('unshare', probe).then(
    () => undefined,
    (error) =>
      `this machine lets nobody make namespaces (${(error.stderr || error.message).trim().split('\n').at(-1)})`,
  );
}

/**
 * Makes hosts 10.77.N.1, 10.77.N.2, … on a bridge of their own, 10.77.N.254 on this machine; N is the first that no other
 * laboratory holds. What a killed laboratory left is cleared first.
 */
export async function makeHosts(count = 3) {
  const why = await whyNoHosts();
  if (why !== undefined) throw new MissingTool(`hosts cannot be made: ${why}`);
  const { stdout: addresses } = await ip('-oneline', 'addr');
  const number = claimNetwork((candidate) =>
    new RegExp(` 10\\.77\\.${candidate}\\.(?!.* drf77-${candidate}\\b)`).test(addresses),
  );
  const [name, network] = [`drf77-${number}`, `10.77.${number}`];
  const folder = mkdtempSync(join(tmpdir(), 'drf-hosts-'));
  await clear(name);
  await ip('link', 'add', name, 'type', 'bridge');
  await ip('addr', 'add', `${network}.254/24`, 'dev', name);
  await ip('link', 'set', name, 'up');
  const hosts = [];
  let isRemoved = false;
  const remove = async () => {
    if (isRemoved) return;
    isRemoved = true;
    for (const host of hosts) host.powerOff();
    await clear(name);
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        rmSync(folder, { recursive: true, force: true });
        break;
      } catch {
        await wait(100); // a process of the host is still writing its last words
      }
    }
    rmSync(claimPath(number), { force: true });
  };
  try {
    for (let index = 1; index <= count; index++) {
      hosts.push(
        await makeHost(`${name}-${index}`, `h${index}`, `${network}.${index}`, name, join(folder, `h${index}`)),
      );
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { address: `${network}.254`, hosts, remove, isRemoved: () => isRemoved };
}

async function makeHost(namespace, name, address, bridge, folder) {
  const cable = `${bridge.replace('drf', 'c')}-${name}`;
  await ip('netns', 'add', namespace);
  await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  await ip('link', 'set', cable, 'master', bridge, 'up');
  await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  await ip('-n', namespace, 'link', 'set', 'lo', 'up');
  await ip('-n', namespace, 'route', 'add', 'default', 'via', `${address.replace(/\d+$/, '254')}`);
  let init;
  const host = {
    name,
    address,
    namespace,
    /** @returns a child process on the host; `kill` of it reaches only what watches over it, so use `powerOff` or a process id */
    spawn(command, args = [], options = {}) {
      const { env = process.env, ...rest } = options;
      const enter = [
        '--target',
        String(init),
        '--mount',
        '--uts',
        '--net',
        '--pid',
        '--wd=' + (rest.cwd ?? process.cwd()),
      ];
      return spawn('nsenter', [...enter, '--', command, ...args], { ...rest, env: { ...env, TMPDIR: HOST_TMP } });
    },
    /** Runs a program on the host to its end. @throws Error with its last words, where it ends otherwise than by 0 */
    async run(command, args = [], options = {}) {
      const child = host.spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text) => void (said += text));
      const code = await new Promise((resolve) => child.on('close', resolve));
      if (code !== 0) throw new Error(`${command} on ${name} ended with ${code}: ${said.trim().slice(-2000)}`);
      return said;
    },
    pullCable: () => ip('link', 'set', cable, 'down'),
    plugCable: () => ip('link', 'set', cable, 'up'),
    /** Ends every process of the host at once, as a power cut does. */
    powerOff() {
      if (init === undefined) return;
      kill(init);
      init = undefined;
    },
    /** Starts the host, with an empty /dev/shm and an empty temporary folder. */
    async powerOn() {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      const space = ['--mount', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc'];
      const child = spawn(
        'ip',
        ['netns', 'exec', namespace, 'unshare', ...space, 'bash', '-c', INIT, 'init', name, folder],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
          detached: true, // Ctrl-C in a terminal is for the laboratory, which then powers off in order
        },
      );
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text) => void (said += text));
      await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve);
        child.once('exit', (code) => reject(new Error(`host ${name} does not start (${code}): ${said.trim()}`)));
      });
      init = childrenOf(child.pid)[0];
      child.unref();
      child.stdout.unref();
      child.stderr.unref();
    },
    isOn: () => init !== undefined,
    processes: () => (init === undefined ? [] : processesWith(init)),
  };
  await host.powerOn();
  return host;
}

const claimPath = (number) => join(tmpdir(), `drf-hosts-${number}.pid`);

/** @param isOthers whether a network is used by something that is no laboratory */
function claimNetwork(isOthers) {
  for (let number = 0; number < 256; number++) {
    if (isOthers(number)) continue;
    const path = claimPath(number);
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return number;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!kill(Number(readFileSync(path, 'utf8')) || -1e9, 0)) {
        writeFileSync(path, String(process.pid));
        return number;
      }
    }
  }
  throw new Error(`all networks 10.77.0.0/24 to 10.77.255.0/24 are held (${claimPath('*')})`);
}

/** @returns whether there was such a process */
export function kill(pid, signal = 'SIGKILL') {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

async function clear(name) {
  const { stdout } = await ip('netns', 'list');
  for (const [namespace] of stdout.matchAll(new RegExp(`^${name}-\\d+`, 'gm'))) {
    for (const pid of (await ip('netns', 'pids', namespace)).stdout.split('\n').filter(Boolean)) {
      kill(Number(pid));
    }
    await ip('netns', 'delete', namespace);
  }
  // a namespace goes in the background, and its cable's name with it: not before the next laboratory may want it
  const cables = await ip('-oneline', 'link', 'show', 'master', name).catch(() => ({ stdout: '' }));
  for (const [, cable] of cables.stdout.matchAll(/^\d+: ([^:@]+)/gm))
    await ip('link', 'delete', cable).catch(() => undefined);
  await ip('link', 'delete', name).catch(() => undefined);
}

/** What /proc says of a process: its parent, its arguments, and the most memory that it has held, in bytes. */
export function processOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const number = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return { pid, parent: number('PPid'), args, peakBytes: 1024 * number('VmHWM'), bytes: 1024 * number('VmRSS') };
  } catch {
    return undefined; // it has ended
  }
}

function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

const spaceOf = (pid) => {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined; // it has ended
  }
};

/** All processes of a host but its first one. */
function processesWith(init) {
  const space = spaceOf(init);
  const others = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== init);
  return others
    .filter((pid) => space !== undefined && spaceOf(pid) === space)
    .map((pid) => processOf(Number(pid)))
    .filter(Boolean);
}

/** All processes below one, of whatever namespace. */
export function descendantsOf(pid) {
  return childrenOf(pid).flatMap((child) => [...[processOf(child)].filter(Boolean), ...descendantsOf(child)]);
}
