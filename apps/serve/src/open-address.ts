import { isIP } from 'node:net';

/** What to say of an address that others reach, where no token keeps them out; null where there is nothing to say. */
export function openAddressWarning(host: string, token: string | undefined): string | null {
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (token !== undefined || isLoopback) return null;
  return `warning: everybody who reaches ${host} may ask; give a --token-file, or listen on 127.0.0.1`;
}
