import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A run as {@link MlflowServer} knows it. */
export interface MlflowRun {
  readonly experiment: string;
  readonly name: string;
  status: string;
  readonly tags: Map<string, string>;
  readonly params: Map<string, string>;
  readonly metrics: {
    readonly key: string;
    readonly value: number;
    readonly step: number;
    readonly timestamp: number;
  }[];
  readonly artifacts: Map<string, string>;
}

/** A server on this machine that refuses what MLflow refuses. */
export interface MlflowServer {
  readonly url: string;
  readonly runs: Map<string, MlflowRun>;
  readonly experiments: Map<string, string>;
  readonly requests: string[];
  /** Answers so many requests with this status first. */
  failing: { status: number; times: number } | undefined;
  /** Milliseconds before an answer. */
  delay: number;
  /** Value of the header that it asks for. */
  authorization: string | undefined;
  artifactUri: (id: string) => string;
  close(): Promise<void>;
}

type Fields = Readonly<Record<string, unknown>>;

const NAME = /^[\w\-. /]{1,250}$/;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** Starts it; it ends with the test. @param port default: any */
export async function startMlflowServer(port = 0): Promise<MlflowServer> {
  const mlflow: MlflowServer = {
    url: '',
    runs: new Map(),
    experiments: new Map(),
    requests: [],
    failing: undefined,
    delay: 0,
    authorization: undefined,
    artifactUri: (id) => `mlflow-artifacts:/0/${id}/artifacts`,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };
  const answer = (response: ServerResponse, content: object, status = 200): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
  const refuse = (response: ServerResponse, status: number, message: string): void =>
    answer(response, { error_code: 'INVALID_PARAMETER_VALUE', message }, status);
  const describe = (id: string) => {
    const { experiment, status } = mlflow.runs.get(id) as MlflowRun;
    return { run: { info: { run_id: id, experiment_id: experiment, status, lifecycle_stage: 'active', artifact_uri: mlflow.artifactUri(id) }, data: {} } }; // prettier-ignore
  };

  const logBatch = (run: MlflowRun, { params = [], metrics = [] }: { params?: Fields[]; metrics?: Fields[] }, response: ServerResponse): void => {
    if (params.length > 100 || metrics.length > 1000) return refuse(response, 400, 'too many at once');
    for (const { key, value } of params) {
      if (!NAME.test(String(key)) || typeof value !== 'string' || value.length > 500) return refuse(response, 400, `bad param ${String(key)}`);
      const before = run.params.get(String(key));
      if (before !== undefined && before !== value) return refuse(response, 400, `Changing param values is not allowed: ${String(key)}`);
      run.params.set(String(key), value);
    }
    for (const { key, value, step, timestamp } of metrics) {
      if (!NAME.test(String(key)) || typeof value !== 'number' || !Number.isInteger(step) || !Number.isInteger(timestamp)) return refuse(response, 400, `bad metric ${String(key)}`);
      run.metrics.push({ key: String(key), value, step: Number(step), timestamp: Number(timestamp) });
    }
    answer(response, {});
  }; // prettier-ignore

  const respond = (request: IncomingMessage, body: string, response: ServerResponse): void => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const method = `${request.method} ${pathname.replace('/api/2.0/', '')}`;
    mlflow.requests.push(method);
    if (mlflow.failing !== undefined && mlflow.failing.times-- > 0) return refuse(response, mlflow.failing.status, 'not now'); // prettier-ignore
    if (mlflow.authorization !== undefined && request.headers.authorization !== mlflow.authorization) return refuse(response, 401, 'who are you?'); // prettier-ignore
    const artifact = /^PUT mlflow-artifacts\/artifacts\/0\/([^/]+)\/artifacts\/(.+)$/.exec(method);
    if (artifact !== null) {
      const run = mlflow.runs.get(artifact[1] as string);
      if (run === undefined) return refuse(response, 404, 'no such run');
      run.artifacts.set(decodeURIComponent(artifact[2] as string), body);
      return answer(response, {});
    }
    const fields = (body === '' ? {} : JSON.parse(body)) as Fields;
    const id = String(fields['run_id'] ?? searchParams.get('run_id'));
    const run = mlflow.runs.get(id);
    if (method === 'GET mlflow/experiments/get-by-name') {
      const experiment = mlflow.experiments.get(searchParams.get('experiment_name') ?? '');
      if (experiment === undefined) return refuse(response, 404, 'no such experiment');
      return answer(response, { experiment: { experiment_id: experiment, lifecycle_stage: 'active' } });
    }
    if (method === 'POST mlflow/experiments/create') {
      const name = String(fields['name']);
      if (mlflow.experiments.has(name)) return refuse(response, 400, 'RESOURCE_ALREADY_EXISTS');
      mlflow.experiments.set(name, String(mlflow.experiments.size + 1));
      return answer(response, { experiment_id: mlflow.experiments.get(name) });
    }
    if (method === 'POST mlflow/runs/create') {
      const made = `run${mlflow.runs.size + 1}`;
      const tags = new Map((fields['tags'] as { key: string; value: string }[]).map(({ key, value }) => [key, value]));
      if (![...mlflow.experiments.values()].includes(String(fields['experiment_id']))) return refuse(response, 404, 'no such experiment'); // prettier-ignore
      mlflow.runs.set(made, { experiment: String(fields['experiment_id']), name: String(fields['run_name']), status: 'RUNNING', tags, params: new Map(), metrics: [], artifacts: new Map() }); // prettier-ignore
      return answer(response, describe(made));
    }
    if (run === undefined) return refuse(response, 404, `Run ${id} not found`);
    if (method === 'GET mlflow/runs/get') return answer(response, describe(id));
    if (method === 'POST mlflow/runs/update') {
      run.status = String(fields['status']);
      return answer(response, { run_info: {} });
    }
    if (method === 'POST mlflow/runs/log-batch') return logBatch(run, fields, response);
    refuse(response, 404, 'unknown');
  };

  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => setTimeout(() => respond(request, body, response), mlflow.delay));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  Object.assign(mlflow, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  onTestFinished(() => mlflow.close());
  return mlflow;
}
