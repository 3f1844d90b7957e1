import { DrfError, type ErrorReport } from '@drf/tensor';

/** What can be wrong with a request, by HTTP status. The names are part of every answer (`code`). */
export const STATUS_OF = {
  'bad-json': 400,
  'bad-multipart': 400,
  'bad-request': 400,
  'empty-body': 400,
  unauthorized: 401,
  'cross-site': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'request-timeout': 408,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'unsupported-encoding': 415,
  'unknown-host': 421,
  'bad-post': 422,
  'bad-image': 422,
  'image-too-large': 422,
  'text-too-long': 422,
  unjudgeable: 422,
  'client-busy': 429,
  'headers-too-large': 431,
  'client-closed-request': 499,
  'internal-error': 500,
  'no-judge': 501,
  'unknown-method': 501,
  busy: 503,
  closing: 503,
  restarting: 503,
  'answer-timeout': 504,
} as const;
export type ErrorCode = keyof typeof STATUS_OF;

/** A request that is not answered with a judgment, and why. */
export class RequestError extends DrfError {
  override readonly code: ErrorCode;

  constructor(code: ErrorCode, report: ErrorReport, options?: ErrorOptions) {
    super(report, options);
    this.code = code;
  }

  get status(): number {
    return STATUS_OF[this.code];
  }
}

/** What a client sent, short enough for a message, without control characters. */
export function excerpt(text: string, length = 60): string {
  const shown = text.length > length ? `${text.slice(0, length)}…` : text;
  return escapeControls(JSON.stringify(shown));
}

/** JSON with those characters escaped, too, that JSON leaves as they are and terminals act on. */
export function escapeControls(json: string): string {
  return json.replace(/[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`); // prettier-ignore
}
