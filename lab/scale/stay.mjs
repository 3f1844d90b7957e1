// Hosts and servers to try things on by hand: they stay until Ctrl-C, or until a command has ended.
import { join } from 'node:path';
import { makeHosts } from './hosts.mjs';
import { check } from './laboratory.mjs';
import { startRay, startS3 } from './servers.mjs';
import { findTool } from './tools.mjs';

const untilStopped = () => new Promise(() => setInterval(() => undefined, 60_000));

export async function hosts({ onEnd }, _, [command, ...args]) {
  const lab = await makeHosts();
  onEnd(lab.remove);
  if (command === undefined) {
    for (const { name, address, namespace } of lab.hosts)
      console.log(`${name} ${address} (ip netns exec ${namespace} …)`);
    console.log(`this machine ${lab.address}; Ctrl-C removes them`);
    await untilStopped();
  }
  const child = lab.hosts[0].spawn(command, args, { stdio: 'inherit' });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  check(code === 0, `${command} ended with ${code}`);
}

export async function servers({ folder, event, onEnd }, { install }) {
  const [ray, versitygw] = [await findTool('ray', install), await findTool('versitygw', install)];
  const lab = await makeHosts();
  onEnd(lab.remove);
  const log = join(folder, 'log');
  const s3 = await startS3('versitygw', { program: versitygw, address: lab.address, folder: join(folder, 's3'), log });
  onEnd(s3.stop);
  event(`versitygw: ${s3.endpoint}, bucket ${s3.bucket}`);
  const cluster = await startRay(lab, { ray, log, env: s3.env });
  event(`Ray: ${cluster.on}`);
  for (const [name, value] of Object.entries({ ...s3.env, ...cluster.env })) console.log(`export ${name}=${value}`);
  await untilStopped();
}
