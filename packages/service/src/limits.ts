/** What one process takes on. Everything that a client sends is bounded by one of these. */
export interface ServiceLimits {
  /** Bytes of one request's body. */
  readonly bodyBytes: number;
  /** Bytes of all bodies that are being read, decoded or waiting, as they have come. */
  readonly totalBodyBytes: number;
  /** Pixels that an image's header may claim. */
  readonly pixels: number;
  /** UTF-16 units of a post's text. */
  readonly textCharacters: number;
  /** Posts of one batch. */
  readonly batchPosts: number;
  /** Posts that are accepted and not yet judged. */
  readonly waitingPosts: number;
  /** Milliseconds from a whole request to its answer. */
  readonly answerMilliseconds: number;
  /** Explanations that are accepted and not yet answered; 0: there is no `POST /v1/explain`. */
  readonly explanations: number;
  /** Milliseconds from a whole request to its explanation, which takes some sixty judgments. */
  readonly explainMilliseconds: number;
  /** Milliseconds that a client may take to send its headers. */
  readonly headerMilliseconds: number;
  /** Milliseconds that a client may take to send its whole request. */
  readonly requestMilliseconds: number;
  /** Milliseconds that an idle connection is kept. Longer than a reverse proxy's own, so that it never meets a closed one. */
  readonly idleMilliseconds: number;
  /** Connections at once; further ones are closed. */
  readonly connections: number;
  /** Part of `totalBodyBytes`, `waitingPosts`, `explanations` and `connections` that one client (an address) may hold: above 0, to 1. */
  readonly clientShare: number;
  /** Slowest body, over five seconds. */
  readonly bodyBytesPerSecond: number;
}

const MEBIBYTE = 2 ** 20;

/** Limits that hold unless others are given. */
export const DEFAULT_LIMITS: ServiceLimits = {
  bodyBytes: 12 * MEBIBYTE,
  totalBodyBytes: 128 * MEBIBYTE,
  pixels: 40_000_000,
  textCharacters: 10_000,
  batchPosts: 32,
  waitingPosts: 256,
  answerMilliseconds: 30_000,
  explanations: 4,
  explainMilliseconds: 60_000,
  headerMilliseconds: 10_000,
  requestMilliseconds: 30_000,
  idleMilliseconds: 75_000,
  connections: 1_000,
  clientShare: 0.5,
  bodyBytesPerSecond: 1024,
};
