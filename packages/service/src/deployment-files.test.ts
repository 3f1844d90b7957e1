// The files of docs/deployment: well-formed, and about metrics, options and routes that there are.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { beforeAll, describe, expect, it } from 'vitest';
import { instantJudge, openService } from './testing/service.js';

const FOLDER = fileURLToPath(new URL('../../../docs/deployment/', import.meta.url));

const files = await readdir(FOLDER);
const read = (name: string): Promise<string> => readFile(join(FOLDER, name), 'utf8');

/** Every value below a key, at any depth. */
function valuesOf(key: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [...(name === key ? [inner as unknown] : []), ...valuesOf(key, inner)]); // prettier-ignore
}

const yamlFiles = files.filter((name) => /\.ya?ml$/.test(name));

async function yamlOf(name: string): Promise<unknown[]> {
  return parseAllDocuments(await read(name)).map((document) => {
    expect(document.errors.map(String), name).toEqual([]);
    return document.toJS() as unknown;
  });
}

let exposed: Set<string>;
let labels: Map<string, Set<string>>;
beforeAll(async () => {
  const process = { isReady: true, restarts: 0, residentBytes: 1 };
  const app = await openService({ judge: { ...instantJudge, process } });
  for (let i = 0; i < 250; i++) await app.inject({ method: 'POST', url: '/v1/predict', payload: { text: `${i}` } });
  const image = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';
  await app.inject({ method: 'POST', url: '/v1/predict', payload: { image } });
  const lines = (await app.inject({ url: '/metrics' })).payload.split('\n').filter((line) => /^\w/.test(line));
  exposed = new Set(lines.map((line) => /^\w+/.exec(line)?.[0] as string));
  labels = new Map();
  for (const line of lines) {
    const [name, inside = ''] = line.split(/[{}]/);
    const own = labels.get(name?.split(' ')[0] as string) ?? new Set();
    for (const [, label] of inside.matchAll(/(\w+)="/g)) own.add(label as string);
    labels.set(name?.split(' ')[0] as string, own);
  }
});

/** What Prometheus adds by itself. */
const OF_PROMETHEUS = new Set(['job', 'instance']);

/** Metrics, and their labels, that an expression asks for. */
function assertKnown(expression: string): void {
  for (const [, name, matchers = ''] of expression.matchAll(/\b((?:drf|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)) {
    expect(exposed, expression).toContain(name);
    for (const [, label] of matchers.matchAll(/(\w+)\s*[=!]~?\s*"/g)) {
      if (!OF_PROMETHEUS.has(label as string)) expect(labels.get(name as string), expression).toContain(label);
    }
  }
}

describe('grafana-dashboard.json', () => {
  it('asks for metrics and labels that there are', async () => {
    const dashboard = JSON.parse(await read('grafana-dashboard.json')) as { readonly panels: readonly object[] };
    const expressions = [...valuesOf('expr', dashboard), ...valuesOf('query', dashboard)].filter((each) => typeof each === 'string'); // prettier-ignore
    expect(expressions.filter((each) => /drf_/.test(each)).length).toBeGreaterThan(20);
    expressions.forEach(assertKnown);
    const asked = new Set(expressions.join(' ').match(/\bdrf_\w+/g));
    const unseen = [...exposed].filter((name) => name.startsWith('drf_') && !asked.has(name));
    // what is there as a total over all processes, beside the panels that show each
    expect(unseen.sort()).toEqual(['drf_judge_resident_memory_bytes', 'drf_quality_sum', 'drf_reloads_total', 'drf_request_seconds_count', 'drf_request_seconds_sum', 'drf_stage_seconds_bucket']); // prettier-ignore
  });

  it('has panels of different ids, none over another', async () => {
    const { panels } = JSON.parse(await read('grafana-dashboard.json')) as { readonly panels: readonly Panel[] };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const a of panels) {
      expect(a.gridPos.x + a.gridPos.w, a.title).toBeLessThanOrEqual(24);
      for (const b of panels) if (a.id < b.id) expect(overlap(a.gridPos, b.gridPos), `${a.title}, ${b.title}`).toBe(false); // prettier-ignore
    }
  });
});

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: Place;
}

function overlap(a: Place, b: Place): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('the Dockerfile', () => {
  it('asks for the health of a path that there is, and starts the program with options that there are, as nobody', async () => {
    const dockerfile = await read('Dockerfile');
    const app = await openService();
    const [, url = ''] = /fetch\('http:\/\/127\.0\.0\.1:8080([^']+)'/.exec(dockerfile) ?? [];
    expect((await app.inject({ url })).statusCode).toBe(200);
    const entry = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? '') as string[];
    for (const option of entry.filter((each) => each.startsWith('--'))) expect(OPTIONS).toContain(option);
    expect(dockerfile).toMatch(/^USER 65532:65532$/m);
  });

  it('installs one package, from tarballs where they are', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-tarballs-'));
    const made = async () => JSON.parse((await promisify(execFile)(process.execPath, [join(FOLDER, 'packages.mjs'), folder, '@drf/serve-app'])).stdout) as object; // prettier-ignore
    expect(await made()).toEqual({ private: true, dependencies: { '@drf/serve-app': 'latest' }, overrides: {} });
    for (const name of ['drf-serve-app-0.1.0', 'drf-service-0.1.0', 'drf-sentiment-1.0.0-beta.1']) await writeFile(join(folder, `${name}.tgz`), ''); // prettier-ignore
    expect(await made()).toEqual({
      private: true,
      dependencies: { '@drf/serve-app': `file:${folder}/drf-serve-app-0.1.0.tgz` },
      overrides: {
        '@drf/service': `file:${folder}/drf-service-0.1.0.tgz`,
        'drf-sentiment': `file:${folder}/drf-sentiment-1.0.0-beta.1.tgz`,
      },
    });
    await rm(folder, { recursive: true });
  });
});

describe('the YAML files', () => {
  it('are well-formed', async () => {
    for (const name of yamlFiles)
      for (const document of await yamlOf(name)) expect(document, name).toBeTypeOf('object');
  });

  it('of alerts ask for metrics and labels that there are, or that they record', async () => {
    const [rules] = await yamlOf('prometheus-rules.yaml');
    const expressions = valuesOf('expr', rules) as string[];
    expect(expressions.length).toBeGreaterThan(10);
    expressions.forEach(assertKnown);
    const recorded = valuesOf('record', rules);
    const used = new Set(expressions.flatMap((each) => each.match(/\bdrf:[\w:]+/g) ?? []));
    expect(recorded).toEqual(expect.arrayContaining([...used]));
  });

  it('of Kubernetes and KServe probe paths that there are, and run as nobody who may write', async () => {
    const app = await openService();
    for (const name of ['kubernetes.yaml', 'kserve.yaml']) {
      const documents = await yamlOf(name);
      const paths = valuesOf('httpGet', documents).map((probe) => (probe as { readonly path: string }).path);
      expect(paths.length, name).toBeGreaterThan(1);
      for (const url of paths) expect((await app.inject({ url })).statusCode, url).toBe(200);
      for (const context of valuesOf('securityContext', documents)) expect(context, name).toMatchObject(contextOf(context)); // prettier-ignore
      const all = JSON.stringify(documents);
      for (const [, option] of all.matchAll(/"(--[a-z-]+)/g)) expect(OPTIONS, `${name}: ${option}`).toContain(option);
    }
  });

  it('of Compose give options that there are', async () => {
    const all = JSON.stringify(await yamlOf('compose.yaml'));
    for (const [, option] of all.matchAll(/"(--[a-z-]+)/g)) expect(OPTIONS, option).toContain(option);
  });
});

/** Those that the files give; a test of `serve` sees to it that the program has them. */
const OPTIONS = ['--host', '--port', '--host-name', '--token-file', '--no-page', '--workers', '--watch', '--model-name', '--trace', '--quiet', '--grace']; // prettier-ignore

/** What a pod, or a container, must be. */
function contextOf(context: unknown): object {
  const isContainer = 'readOnlyRootFilesystem' in (context as object);
  return isContainer
    ? { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
    : { runAsNonRoot: true };
}
