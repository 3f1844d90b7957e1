import { readBounded } from '@drf/files';
import { isLoopbackAddress } from '@drf/service';
import { ConfigurationError, refuser } from '@drf/tensor';
import { TOKEN_VARIABLE } from './flags.js';

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
  throw refuser(ConfigurationError, subject)(
    `at least ${SHORTEST} characters of printable ASCII without spaces`,
    received,
    'make one with: openssl rand -base64 32',
  );
}

interface AddressOptions {
  readonly token?: string;
  readonly hostNames?: readonly string[];
}

/** What to say of an address that others reach: without a token everybody may ask, without names by any. */
export function addressWarnings(host: string, { token, hostNames = [] }: AddressOptions): string[] {
  if (host === 'localhost' || isLoopbackAddress(host)) return [];
  const open = `warning: everybody who reaches ${host} may ask; give a --token-file, or listen on 127.0.0.1`;
  const anyName =
    'warning: pages of other sites that point a name of theirs here can ask from the browsers of those who open them; ' +
    'name the hosts under which it is reached: --host-name NAME';
  return [...(token === undefined ? [open] : []), ...(hostNames.length === 0 ? [anyName] : [])];
}
