/** Where to compute, and with which checkpoint. */
export interface OpenOptions {
  /** As `createEngine`; default `auto`. */
  readonly engine?: string;
  /** A checkpoint of the run; default its result. */
  readonly checkpoint?: string;
  /** Whether the hub may be asked for encoders that the run names and the cache lacks; default false. */
  readonly allowDownload?: boolean;
  /** Threads that compute; default: all cores. For several judges side by side. */
  readonly threads?: number;
}
