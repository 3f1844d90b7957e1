import type { AddressInfo } from 'node:net';
import { describeExport, readCard } from '@drf/judge';
import {
  createService,
  JudgeProcess,
  readExamples,
  ReloadableJudge,
  startTracing,
  type JudgeProcessEnd,
  type ModelIdentity,
  type ReloadResult,
  type Service,
  type ServiceGroup,
  type ServiceLimits,
  type ServiceLog,
  type Tracing,
} from '@drf/service';
import { ConfigurationError, refuser, UnavailableError } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { loggedError, logWriter, type WriteLog } from './log.js';

export interface ServeOptions {
  /** What judges, as `openJudge` opens it; left out: the page judges by itself, with `onnx`. */
  readonly run?: string | readonly string[];
  readonly checkpoint?: string;
  readonly engine?: string;
  /** A folder that `drf export` wrote. */
  readonly onnx?: string;
  /** Whether the hub may be asked for encoders that the run names and the cache lacks; default false. */
  readonly allowDownload?: boolean;
  /** What the model is called in answers; default as its run. */
  readonly modelName?: string;
  /** A folder of static files. */
  readonly page?: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly token?: string;
  readonly limits?: Partial<ServiceLimits>;
  readonly decoders?: number;
  readonly log?: ServiceLog;
  readonly hostNames?: readonly string[];
  readonly allowedOrigins?: readonly string[];
  readonly trustProxy?: readonly string[];
  /** Longest time of one judgment or decoding, as `JudgeProcess` counts it; then its process is replaced. Default 10,000. */
  readonly judgeMilliseconds?: number;
  /** Flags of Node for the judge's process; default those of this one. */
  readonly execArgv?: readonly string[];
  /** Where traces go, as `startTracing` has it; left out: nowhere. */
  readonly trace?: string | 'environment';
  /** Left out: no other process serves here. */
  readonly group?: ServiceGroup;
}

/** A service that listens. */
export interface Served {
  /** Where: `http://127.0.0.1:8080`. */
  readonly address: string;
  /** What judges when it begins to; null: the page judges by itself. */
  readonly model: ModelIdentity | null;
  /**
   * Opens the judge anew beside the one that judges, and lets it take over. Its log says how that ended.
   * @throws as `openJudge`, and ConfigurationError where nothing judges; then the one before goes on
   */
  reload(): Promise<ReloadResult>;
  /** Takes no more, answers what was accepted, and ends; connections that are still there after the grace are cut. */
  close(graceMilliseconds: number): Promise<void>;
}

/**
 * Opens the judge in a process of its own, and listens.
 * @throws as `openJudge`; ConfigurationError without run and `onnx`, or when it cannot listen there; UnavailableError
 *   when traces are asked for and their libraries are not installed
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { run, onnx, modelName, trace } = options;
  if (run === undefined && onnx === undefined) {
    throw refuser(ConfigurationError, 'serve')(
      'a run, or --onnx with an exported folder, or both',
      'neither',
      `see ${spell('serve --help')}`,
    );
  }
  const write = logWriter(options.log, options.group?.worker);
  const open = (): Promise<JudgeProcess> => startJudge({ ...options, run: run ?? [] }, write);
  let judge: ReloadableJudge | null = null;
  let tracing: Tracing | undefined;
  try {
    tracing = trace === undefined ? undefined : await openTracing(trace, write);
    if (run !== undefined) judge = new ReloadableJudge(await open(), open, { modelName });
    const info = onnx === undefined ? undefined : describeExport(onnx, await readCard(onnx)); // also to see that it is one
    const [folder = onnx] = run === undefined ? [] : [run].flat();
    const examples = folder === undefined ? undefined : await readExamples(folder);
    const app = await createService({ ...options, judge, info, examples, browserModel: onnx, tracing });
    const address = await listen(app, options);
    const model = judge?.current.identity ?? null;
    write('info', 'listening', { pid: process.pid, address, model });
    return {
      address,
      model,
      reload: () => reload(judge, write),
      close: async (grace) => {
        const timer = setTimeout(() => app.server.closeAllConnections(), grace);
        await app.close();
        clearTimeout(timer);
        await judge?.close();
        await tracing?.close();
        write('info', 'ended');
      },
    };
  } catch (error) {
    await judge?.close();
    await tracing?.close();
    throw error;
  }
}

/** An address asks for traces; variables may be there for all programs of a machine, and cost none of them its start. */
async function openTracing(trace: string, write: WriteLog): Promise<Tracing | undefined> {
  if (trace !== 'environment') return startTracing({ endpoint: trace });
  try {
    return await startTracing();
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    write('warn', 'no traces are sent, though the environment asks for them', loggedError(error));
    return undefined;
  }
}

function startJudge(
  options: ServeOptions & { readonly run: string | readonly string[] },
  write: WriteLog,
): Promise<JudgeProcess> {
  const { run, checkpoint, engine, allowDownload, judgeMilliseconds: milliseconds, execArgv } = options;
  const open = [run, { checkpoint, engine, allowDownload, warm: true }] as const;
  const onEnd = (end: JudgeProcessEnd): void => write('error', 'the judge’s process ended', end);
  const onHalved = (preferredBatch: number): void =>
    write('warn', 'several judgments at once were too much for this machine; fewer go at once', { preferredBatch });
  return JudgeProcess.start({ open: [...open], milliseconds, execArgv, onEnd, onHalved });
}

async function reload(judge: ReloadableJudge | null, write: WriteLog): Promise<ReloadResult> {
  try {
    if (judge === null) {
      throw refuser(ConfigurationError, 'serve')(
        'a run or an export that judges, to open it anew',
        'files for the browser only',
        'start it anew: the files are those that were there at its start',
      );
    }
    const result = await judge.reload();
    write('info', 'the model was opened anew', result);
    return result;
  } catch (error) {
    write('error', 'the model could not be opened anew; the one before goes on', loggedError(error));
    throw error;
  }
}

/** @returns where it listens */
async function listen(app: Service, options: ServeOptions): Promise<string> {
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw cannotListen(options, error as NodeJS.ErrnoException);
  }
  const { address, port, family } = app.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** What a server's error means to whoever chose where it listens. */
export function cannotListen({ host, port }: Pick<ServeOptions, 'host' | 'port'>, error: NodeJS.ErrnoException): Error {
  if (error.code === undefined) return error;
  return refuser(ConfigurationError, 'serve')(
    `to listen on ${host}, port ${port}`,
    `${error.code}: ${error.message}`,
    error.code === 'EADDRINUSE' ? 'choose another --port' : 'choose another --host or --port',
    error,
  );
}
