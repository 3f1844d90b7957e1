import { readBounded } from '@drf/files';
import { ConfigurationError } from '@drf/tensor';

/** Where the token may stand, beside a file. Never on the command line, which every user of the machine can read. */
export const TOKEN_VARIABLE = 'DRF_SERVE_TOKEN';

const SHORTEST = 16;

/**
 * The bearer token of a file, or else of the environment; nothing when neither has one.
 * @throws ConfigurationError for a token that is short or cannot stand in a header; DataError for a file that cannot be
 *   read
 */
export async function readToken(
  file: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  if (file === undefined) {
    const token = environment[TOKEN_VARIABLE];
    return token === undefined ? undefined : checked(token, `The variable ${TOKEN_VARIABLE}`);
  }
  return checked((await readBounded(file, 64 * 1024)).toString('utf8').trim(), `The token of ${file}`);
}

function checked(token: string, subject: string): string {
  if (token.length >= SHORTEST && /^[\x21-\x7e]+$/.test(token)) return token;
  const received = token.length < SHORTEST ? `${token.length}` : 'others';
  throw new ConfigurationError({
    subject,
    expected: `at least ${SHORTEST} characters of printable ASCII without spaces`,
    received,
    remedy: 'make one with: openssl rand -base64 32',
  });
}
