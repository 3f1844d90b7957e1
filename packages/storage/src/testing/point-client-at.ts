import { vi } from 'vitest';

/** Keys that are sent to a server; the one for tests takes any. */
export interface TestKeys {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

/** Has `s3://` mean a server, until `vi.unstubAllEnvs()`. */
export function pointClientAt(
  { endpoint }: { readonly endpoint: string },
  { accessKeyId = 'test', secretAccessKey = 'test' }: TestKeys = {},
): void {
  vi.stubEnv('AWS_ENDPOINT_URL_S3', endpoint);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
}
