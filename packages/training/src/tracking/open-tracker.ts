import { ConfigurationError, refuser } from '@drf/tensor';
import { MlflowTracker, type MlflowServer } from './mlflow-tracker.js';
import type { Tracker } from './tracker.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A tracker by its name on the command line: `mlflow:http://127.0.0.1:5000`, with the experiment as the last part of the
 * path (`…:5000/my-experiment`), or after `#` where the server itself lies below a path.
 * @param environment where `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, stand
 * @throws ConfigurationError for anything else
 */
export function openTracker(text: string, environment: Environment = process.env): Tracker {
  return new MlflowTracker({ ...parseServer(text), ...credentials(environment) });
}

/** @throws ConfigurationError for what names no server */
function parseServer(text: string): MlflowServer {
  const refuse = refuser(ConfigurationError, '--track');
  const example = 'mlflow:http://127.0.0.1:5000, or mlflow:http://127.0.0.1:5000/my-experiment';
  const address = /^mlflow:(https?:.*)$/.exec(text)?.[1];
  if (address === undefined || !URL.canParse(address)) throw refuse(example, JSON.stringify(text));
  const { origin, pathname, username, password, hash, search } = new URL(address);
  if (username !== '' || password !== '') {
    const remedy = 'set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD';
    throw refuse('an address without a password', 'one with a password (not shown)', remedy);
  }
  if (search !== '') throw refuse(example, JSON.stringify(text));
  const parts = pathname.split('/').filter((part) => part !== '');
  const named = hash === '' ? parts.pop() : hash.slice(1);
  const url = [origin, ...parts].join('/');
  if (named === undefined) return { url };
  try {
    return { url, experiment: decodeURIComponent(named) };
  } catch {
    throw refuse(
      'the name of an experiment as addresses spell it',
      JSON.stringify(named),
      'write %25 for a percent sign',
    );
  }
}

function credentials(environment: Environment): Pick<MlflowServer, 'authorization'> {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = environment; // prettier-ignore
  // as MLflow's own clients: a name and a password come before a token
  if (user && password) return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  return token ? { authorization: `Bearer ${token}` } : {};
}
