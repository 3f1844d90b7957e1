import { ConfigurationError, DataError, DrfError, UnavailableError, type ErrorReport } from '@drf/tensor';
import { CHANGED, GONE } from './errors.js';

/** What the client's errors have, whichever of its many classes they are. */
interface ClientError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** What was tried: `doing` "Reading", `bucket`, `name` `s3://bucket/key`, and the endpoint for messages. */
export interface Attempt {
  readonly doing: string;
  readonly name: string;
  readonly bucket: string;
  readonly endpoint: string;
  readonly region: string;
}

const NO_CREDENTIALS = new Set(['CredentialsProviderError', 'ProviderError', 'TokenProviderError', 'CredentialsError']);
const BAD_CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'XAdminUserNotFound', // versitygw, by 404
]);
/** What 404 says of an object; `NotFound` where the answer has no body. */
const NOT_THERE = new Set(['NoSuchKey', 'NotFound', 'NoSuchVersion']);
const ELSEWHERE = new Set(['AuthorizationHeaderMalformed', 'IllegalLocationConstraintException', 'PermanentRedirect']);
const UNREACHED =
  /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EPIPE|EPROTO|ERR_TLS\w*|ERR_SSL\w*|CERT_\w+|DEPTH_ZERO\w+|SELF_SIGNED\w+|UNABLE_TO_\w+|TimeoutError)$/;

const CREDENTIAL_VARIABLES =
  'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_PROFILE, or give this machine a role';

/** HTTP status of an answer that the client took for an error. */
export function statusOf(error: unknown): number | undefined {
  return (error as ClientError).$metadata?.httpStatusCode;
}

/** Whether there is no bucket of a name, or can be none. */
function isNoBucket(error: unknown): boolean {
  return ['NoSuchBucket', 'InvalidBucketName'].includes((error as ClientError).name ?? '');
}

/** Whether a multipart upload was completed, or aborted, before. */
export function isUploadOver(error: unknown): boolean {
  return (error as ClientError).name === 'NoSuchUpload';
}

/**
 * Whether an object is not there, as far as the answer tells: one to HEAD has no body that would say whether it is the
 * bucket that is not, or whoever asks.
 */
export function isNotThere(error: unknown): boolean {
  return statusOf(error) === 404 && NOT_THERE.has((error as ClientError).name ?? '');
}

/** Whether an answer refused what was asked, rather than failed to do it. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error) ?? 0;
  return status >= 300 && status < 500;
}

/** One clear error for what the client threw; never with credentials, of which some answers quote parts. */
export function explained(error: unknown, attempt: Attempt): DrfError {
  if (error instanceof DrfError) return error;
  const { Kind, ...report } = reportOf(error as ClientError, attempt);
  const subject = `${attempt.doing} ${attempt.name}`;
  if (report.code === 'bad-credentials') return new Kind({ subject, ...report });
  const { name, message, stack } = error as Error;
  // the client's own errors carry the request with its signature
  return new Kind({ subject, ...report }, { cause: Object.assign(new Error(message), { name, stack }) });
}

type Explanation = Omit<ErrorReport, 'subject'> & { readonly Kind: typeof DataError | typeof UnavailableError };

function reportOf(error: ClientError, { bucket, endpoint, region }: Attempt): Explanation {
  const { name = 'an error', code = name, message = '' } = error;
  const status = statusOf(error);
  const answer = status === undefined ? name : `${status} ${name}`;
  if (NO_CREDENTIALS.has(name)) {
    return {
      Kind: UnavailableError,
      code: 'no-credentials',
      expected: 'credentials for object storage',
      received: 'none',
      remedy: CREDENTIAL_VARIABLES,
    };
  }
  if (BAD_CREDENTIALS.has(name)) {
    return {
      Kind: ConfigurationError,
      code: 'bad-credentials',
      expected: `credentials that ${endpoint} takes`,
      received: answer,
      remedy: `renew them: ${CREDENTIAL_VARIABLES}; a wrong clock (this one says ${new Date().toISOString()}) spoils them, too`,
    };
  }
  if (isNoBucket(error)) {
    return {
      Kind: ConfigurationError,
      code: 'no-bucket',
      expected: `a bucket ${bucket} at ${endpoint}`,
      received: 'none of that name',
      remedy: 'check its name, create it, or name the right server by AWS_ENDPOINT_URL',
    };
  }
  if (ELSEWHERE.has(name) || status === 301 || status === 307) {
    const right = error.Region ?? error.$response?.headers?.['x-amz-bucket-region'];
    return {
      Kind: ConfigurationError,
      code: 'wrong-region',
      expected: `the bucket ${bucket} in ${region}`,
      received: right === undefined ? `${answer}: it is in another region` : `it is in ${right}`,
      remedy: `set AWS_REGION${right === undefined ? " to the bucket's region" : `=${right}`}, and no AWS_ENDPOINT_URL of another region`,
    };
  }
  if (status === 403 || status === 401) {
    return {
      Kind: ConfigurationError,
      code: 'access-denied',
      expected: 'permission',
      received: answer,
      remedy:
        'let these credentials s3:ListBucket, s3:GetObject, and for outputs s3:PutObject and s3:DeleteObject (without the first, what is not there is denied, too)',
    };
  }
  if (isNotThere(error)) return { Kind: DataError, ...GONE };
  if (status === 412 || status === 416) return { Kind: DataError, ...CHANGED };
  if (status === undefined && (UNREACHED.test(code) || UNREACHED.test(name))) {
    return {
      Kind: UnavailableError,
      code: 'unreachable',
      expected: `an answer of ${endpoint}`,
      received: message === '' || message.length > 200 ? code : message,
      remedy: 'check the network, and AWS_ENDPOINT_URL where the store is not Amazon’s; then start again',
    };
  }
  return {
    Kind: UnavailableError,
    expected: `an answer of ${endpoint}`,
    received: status === undefined ? `${answer}: ${message.slice(0, 200)}` : answer,
    remedy:
      status !== undefined && status >= 500 ? 'start again later; the store is busy or out of order' : 'try again',
  };
}
