import type { AddressInfo } from 'node:net';
import { describeExport, readCard } from '@drf/judge';
import { createService, JudgeProcess, type JudgeProcessEnd, type Service, type ServiceLimits } from '@drf/service';
import { ConfigurationError, refuser } from '@drf/tensor';

export interface ServeOptions {
  /** What judges, as `openJudge` opens it; left out: the page judges by itself, with `onnx`. */
  readonly run?: string | readonly string[];
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

/** A service that listens. */
export interface Served {
  /** Where: `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Takes no more, answers what was accepted, and ends; connections that are still there after the grace are cut. */
  close(graceMilliseconds: number): Promise<void>;
}

/**
 * Opens the judge in a process of its own, and listens.
 * @throws as `openJudge`; ConfigurationError without run and `onnx`, or when it cannot listen there
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { run, onnx } = options;
  if (run === undefined && onnx === undefined) {
    throw refuser(ConfigurationError, 'serve')(
      'a run, or --onnx with an exported folder, or both',
      'neither',
      'see pnpm serve --help',
    );
  }
  let app: Service | undefined;
  const onEnd = (end: JudgeProcessEnd): void => app?.log.error(end, 'the judge’s process ended');
  const judge = run === undefined ? null : await startJudge({ ...options, run }, onEnd);
  try {
    const exported = onnx === undefined ? undefined : describeExport(onnx, await readCard(onnx)); // also to see that it is one
    app = await createService({ ...options, judge, info: judge?.info ?? exported, browserModel: onnx });
    return await listen(app, options, judge);
  } catch (error) {
    await judge?.close();
    throw error;
  }
}

function startJudge(
  options: ServeOptions & { readonly run: string | readonly string[] },
  onEnd: (end: JudgeProcessEnd) => void,
): Promise<JudgeProcess> {
  const { run, checkpoint, engine, allowDownload, judgeMilliseconds: milliseconds, execArgv } = options;
  const open = [run, { checkpoint, engine, allowDownload, warm: true }] as const;
  return JudgeProcess.start({ open: [...open], milliseconds, execArgv, onEnd });
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
      await judge?.close();
    },
  };
}

function cannotListen({ host, port }: ServeOptions, error: NodeJS.ErrnoException): Error {
  if (error.code === undefined) return error;
  return refuser(ConfigurationError, 'serve')(
    `to listen on ${host}, port ${port}`,
    `${error.code}: ${error.message}`,
    error.code === 'EADDRINUSE' ? 'choose another --port' : 'choose another --host or --port',
    error,
  );
}
