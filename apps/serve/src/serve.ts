import type { AddressInfo } from 'node:net';
import { PostJudge } from '@drf/predict';
import { createService, type ServiceLimits } from '@drf/service';
import { ConfigurationError } from '@drf/tensor';
import { describeExport, describeJudge } from './describe-model.js';

export interface ServeOptions {
  /** Folder of a trained run; left out: the page judges by itself, with `onnx`. */
  readonly run?: string;
  readonly checkpoint?: string;
  readonly engine?: string;
  /** A folder that `pnpm export` wrote. */
  readonly onnx?: string;
  /** A folder of static files. */
  /** Whether the hub may be asked for encoders that the run names and the cache lacks; default false. */
  readonly allowDownload?: boolean;
  readonly page?: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly token?: string;
  readonly limits?: Partial<ServiceLimits>;
  readonly decoders?: number;
  readonly log?: { readonly level: string; readonly stream: { write(line: string): void } };
}

/** A service that listens. */
export interface Served {
  /** Where: `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Takes no more, answers what was accepted, and ends; connections that are still there after the grace are cut. */
  close(graceMilliseconds: number): Promise<void>;
}

/**
 * Opens the run, judges a post of each kind once (so that the first client does not wait for what is made on first use),
 * and listens.
 * @throws as `PostJudge.open`; ConfigurationError without run and `onnx`, or when it cannot listen there
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { run, onnx, checkpoint, engine, allowDownload } = options;
  if (run === undefined && onnx === undefined) throw nothingToServe();
  const judge = run === undefined ? null : await PostJudge.open(run, { checkpoint, engine, allowDownload });
  try {
    if (judge !== null) await warmUp(judge);
    const model = judge === null ? await describeExport(onnx as string) : describeJudge(judge);
    if (judge !== null && onnx !== undefined) await describeExport(onnx); // only to see that it is one
    const app = await createService({ ...options, judge, model, browserModel: onnx });
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
  } catch (error) {
    await judge?.dispose();
    throw error;
  }
}

async function warmUp(judge: PostJudge): Promise<void> {
  const side = judge.imageSize;
  const image = { width: side, height: side, data: new Uint8Array(side * side * 3).fill(128) };
  const text = 'a post';
  for (const post of [
    { image, text },
    { image, text: null },
    { image: null, text },
  ])
    await judge.judge(post);
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
