import { isIPv4, isIPv6 } from 'node:net';

/**
 * Whose share a request counts towards: an IPv4 address, or the first 64 bits of an IPv6 one, which is the least that a
 * household gets.
 */
export function clientOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? `${groups(address).slice(0, 4).join(':')}::/64` : address;
}

/** An address as a log may hold it: what a proxy forwards need not be one. */
export function loggedAddress(address: string): string {
  return isIPv4(address) || isIPv6(address) ? address : 'no address';
}

/** The eight groups of an IPv6 address, without zone, in lower case and without leading zeros. */
function groups(address: string): string[] {
  const [head = '', tail] = (address.split('%')[0] as string).toLowerCase().split('::');
  const split = (part: string): string[] => (part === '' ? [] : part.split(':').map((group) => group.replace(/^0+(?=.)/, ''))); // prettier-ignore
  const before = split(head);
  if (tail === undefined) return before;
  const after = split(tail);
  return [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
}

/** What a client may hold of a whole, at least what one request needs. */
export function shareOf(whole: number, share: number, least: number): number {
  return Math.min(whole, Math.max(least, Math.floor(whole * share)));
}

/** How much each client holds; who holds nothing is forgotten. */
export class Holdings {
  private readonly held = new Map<string, number>();

  of(client: string): number {
    return this.held.get(client) ?? 0;
  }

  add(client: string, amount: number): void {
    const now = this.of(client) + amount;
    if (now === 0) this.held.delete(client);
    else this.held.set(client, now);
  }
}
