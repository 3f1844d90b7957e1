import { existsSync, readFileSync } from 'node:fs';
import { coreQuota } from '@drf/units';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';

const TOPIC = 'Machine';

/** What this program's own `package.json`, and that of the workspace, ask of the machine. */
export interface Wanted {
  readonly nodeMajor: number;
  /** null where the program is installed: then there is no workspace to develop in. */
  readonly pnpm: string | null;
}

/**
 * Reads the `package.json` of this program and that of the workspace, if it lies in one.
 * @param own two folders up from here both in source and built
 */
export function readWanted(own: URL = new URL('../../package.json', import.meta.url)): Wanted {
  const { engines } = JSON.parse(readFileSync(own, 'utf8')) as { readonly engines: { readonly node: string } };
  const nodeMajor = Number(/\d+/.exec(engines.node)?.[0]);
  if (!existsSync(new URL('../../pnpm-workspace.yaml', own))) return { nodeMajor, pnpm: null };
  const { packageManager } = JSON.parse(readFileSync(new URL('../../package.json', own), 'utf8')) as {
    readonly packageManager: string;
  };
  return { nodeMajor, pnpm: packageManager.replace(/^pnpm@|\+.*$/g, '') };
}

/** What the pnpm that started this says of itself ("pnpm/10.34.8 npm/? node/v20…"). */
function runningPnpm(environment: NodeJS.ProcessEnv): string | undefined {
  return /\bpnpm\/(\d\S*)/.exec(environment['npm_config_user_agent'] ?? '')?.[1];
}

function nodeFinding(version: string, minimum: number): Finding {
  const subject = 'Node';
  if (Number(version.split('.')[0]) >= minimum) return { topic: TOPIC, subject, mark: 'good', found: version };
  const advice = `install Node ${minimum} or newer`;
  return { topic: TOPIC, subject, mark: 'problem', found: `${version}, wanted ${minimum} or newer`, advice };
}

async function pnpmFinding(machine: Machine, wanted: string): Promise<Finding> {
  const subject = 'pnpm';
  const found =
    runningPnpm(machine.environment) ??
    (await machine.run('pnpm', ['--version'], { timeoutMilliseconds: 10_000 })).stdout.trim();
  if (found === wanted) return { topic: TOPIC, subject, mark: 'good', found };
  const advice = `npm install --global pnpm@${wanted}, or write "npx -y pnpm@${wanted}" for pnpm`;
  if (found === '') return { topic: TOPIC, subject, mark: 'absent', found: 'not on the path', advice };
  return { topic: TOPIC, subject, mark: 'warning', found: `${found}, wanted ${wanted}`, advice };
}

async function coresFinding(machine: Machine): Promise<Finding> {
  const subject = 'Cores';
  const quota = await coreQuota(machine.readText);
  if (quota >= machine.cores) {
    return { topic: TOPIC, subject, mark: 'good', found: String(machine.cores) };
  }
  return {
    topic: TOPIC,
    subject,
    mark: 'warning',
    found: `${machine.cores}, of which the container may use ${quota.toFixed(1)} at a time`,
    advice:
      'give the container a set of cores (--cpuset-cpus) instead of a quota, so that engines start as many threads',
  };
}

export async function probePlatform(machine: Machine, wanted: Wanted): Promise<Finding[]> {
  const platform: Finding = { topic: TOPIC, subject: 'Platform', mark: 'good', found: machine.platform };
  return [
    nodeFinding(machine.nodeVersion, wanted.nodeMajor),
    ...(wanted.pnpm === null ? [] : [await pnpmFinding(machine, wanted.pnpm)]),
    platform,
    await coresFinding(machine),
  ];
}
