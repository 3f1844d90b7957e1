import { isLoopbackAddress } from '@drf/service';

export interface AddressOptions {
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
