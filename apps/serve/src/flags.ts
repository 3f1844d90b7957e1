import type { ServiceLimits } from '@drf/service/limits';

export interface MainOptions extends Partial<ServiceLimits> {
  readonly with?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly tokenFile?: string;
  readonly page?: string | boolean;
  readonly onnx?: string;
  readonly checkpoint?: string;
  readonly engine: string;
  readonly allowDownload?: boolean;
  readonly decoders: number;
  readonly judgeMilliseconds: number;
  readonly hostName?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly trustProxy?: readonly string[];
  readonly workers: number;
  readonly watch?: boolean;
  readonly modelName?: string;
  readonly trace?: string;
  readonly grace: number;
  readonly logLevel: string;
  readonly quiet?: boolean;
}

/** Where the token may stand, beside a file. Never on the command line, which every user of the machine can read. */
export const TOKEN_VARIABLE = 'DRF_SERVE_TOKEN';
