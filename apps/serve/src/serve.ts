import type { AddressInfo } from 'node:net';
import { createService, JudgeProcess, type JudgeProcessEnd, type ModelDescription, type Service, type ServiceLimits } from '@drf/service'; // prettier-ignore
import { ConfigurationError } from '@drf/tensor';
import { describeExport } from './describe-model.js';
import type { JudgeArgument } from './open-judge.js';

export interface ServeOptions {
  /** Folder of a trained run; left out: the page judges by itself, with `onnx`. */
  readonly run?: string;
  readonly checkpoint?: string;
  readonly engine?: string;
  /** A folder that `pnpm export` wrote. */
  readonly onnx?: string;
  /** Whether the hub may be asked for encoders that the run names and the cache lacks; default false. */
  readonly allowDownload?: boolean;
  /** A folder of static files. */
  readonly page?: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly token?: string;
  readonly limits?: Partial<ServiceLimits>;
  readonly decoders?: number;
  readonly log?: { readonly level: string; readonly stream: { write(line: string): void } };
  readonly hostNames?: readonly string[];
  readonly allowedOrigins?: readonly string[];
  readonly trustProxy?: readonly string[];
  /** Longest time of one judgment; then the judge's process is replaced. Default 10,000. */
  readonly judgeMilliseconds?: number;
  /** Flags of Node for the judge's process; default those of this one. */
  readonly execArgv?: readonly string[];
}

/** Source runs from source, what was built from what was built. */
const JUDGE_MODULE = new URL(`./open-judge${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** A service that listens. */
export interface Served {
  /** Where: `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Takes no more, answers what was accepted, and ends; connections that are still there after the grace are cut. */
  close(graceMilliseconds: number): Promise<void>;
}

/**
 * Opens the run in a process of its own, and listens.
 * @throws as `PostJudge.open`; ConfigurationError without run and `onnx`, or when it cannot listen there
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { run, onnx } = options;
  if (run === undefined && onnx === undefined) throw nothingToServe();
  let app: Service | undefined;
  const onEnd = (end: JudgeProcessEnd): void => app?.log.error(end, 'the judge’s process ended');
  const judge = run === undefined ? null : await startJudge({ ...options, run }, onEnd);
  try {
    const exported = onnx === undefined ? null : await describeExport(onnx); // also to see that it is one
    const model = judge?.description ?? (exported as ModelDescription);
    app = await createService({ ...options, judge, model, browserModel: onnx });
    return await listen(app, options, judge);
  } catch (error) {
    await judge?.dispose();
    throw error;
  }
}

function startJudge(options: ServeOptions & { readonly run: string }, onEnd: (end: JudgeProcessEnd) => void) {
  const { run, checkpoint, engine, allowDownload, judgeMilliseconds: milliseconds, execArgv } = options;
  const argument: JudgeArgument = { run, checkpoint, engine, allowDownload };
  return JudgeProcess.start({ module: JUDGE_MODULE, argument, milliseconds, execArgv, onEnd });
}

async function listen(app: Service, options: ServeOptions, judge: JudgeProcess | null): Promise<Served> {
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw cannotListen(options, error as NodeJS.ErrnoException);
  }
  const { address, port, family } = app.server.address() as AddressInfo;
  return {
    address: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: async (grace) => {
      const timer = setTimeout(() => app.server.closeAllConnections(), grace);
      await app.close();
      clearTimeout(timer);
      await judge?.dispose();
    },
  };
}

function nothingToServe(): ConfigurationError {
  return new ConfigurationError({
    subject: 'serve',
    expected: 'a run, or --onnx with an exported folder, or both',
    received: 'neither',
    remedy: 'see pnpm serve --help',
  });
}

function cannotListen({ host, port }: ServeOptions, error: NodeJS.ErrnoException): Error {
  if (error.code === undefined) return error;
  return new ConfigurationError(
    {
      subject: 'serve',
      expected: `to listen on ${host}, port ${port}`,
      received: `${error.code}: ${error.message}`,
      remedy: error.code === 'EADDRINUSE' ? 'choose another --port' : 'choose another --host or --port',
    },
    { cause: error },
  );
}
