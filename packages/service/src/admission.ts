import { isIPv4, isIPv6 } from 'node:net';
import { bodyTooLarge, refuse, type RequestError } from './errors.js';
import type { ServiceLimits } from './limits.js';

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

/** A body's share of the budget, held by the request and by the work that came of it; given back when both are over. */
export interface BodyLease {
  /**
   * So many more bytes of the body have come.
   * @throws RequestError (body-too-large, busy, client-busy) when they find no place
   */
  grow(bytes: number): void;
  /**
   * Waits for the reading of the body, in which bytes must keep coming.
   * @throws RequestError (request-timeout) when they come more slowly than `bodyBytesPerSecond`
   */
  reading<Value>(read: Promise<Value>): Promise<Value>;
  /** One more holder: the share is held until the promise has settled, however it does. */
  until(work: Promise<unknown>): void;
  /** The first holder, the request, is over. Further calls do nothing. */
  release(): void;
}

type Limits = Pick<ServiceLimits, 'bodyBytes' | 'totalBodyBytes' | 'clientShare' | 'bodyBytesPerSecond'>;

/** Over so long a time the speed of a body is measured. */
const PACE_SECONDS = 5;

/**
 * Bounds the bytes of all bodies that are in memory at once, and each client's part of them. Bytes count as they come:
 * a request that only claims to be large takes nothing.
 */
export class BodyBudget {
  private bytes = 0;
  private readonly clients = new Holdings();
  private readonly clientBytes: number;

  constructor(private readonly limits: Limits) {
    this.clientBytes = shareOf(limits.totalBodyBytes, limits.clientShare, limits.bodyBytes);
  }

  /** Bytes that are held. */
  get used(): number {
    return this.bytes;
  }

  /**
   * Before a body is read; refuses at once what could not be read to its end.
   * @param contentLength as the header says
   * @throws RequestError (body-too-large, busy, client-busy)
   */
  open(client: string, contentLength: string | undefined): BodyLease {
    const { bodyBytes } = this.limits;
    const claimed = Number(contentLength ?? 0);
    if (claimed > bodyBytes) throw bodyTooLarge(bodyBytes, `${claimed} bytes`);
    this.assertRoom(client, claimed);
    return this.lease(client);
  }

  private assertRoom(client: string, bytes: number): void {
    const { totalBodyBytes } = this.limits;
    if (this.bytes + bytes > totalBodyBytes) throw full('busy', 'The service', totalBodyBytes, bytes, this.bytes);
    const own = this.clients.of(client);
    if (own + bytes > this.clientBytes) throw full('client-busy', 'The service', this.clientBytes, bytes, own);
  }

  private add(client: string, bytes: number): void {
    this.bytes += bytes;
    this.clients.add(client, bytes);
  }

  private lease(client: string): BodyLease {
    const { bodyBytes, bodyBytesPerSecond } = this.limits;
    let held = 0;
    let holders = 1;
    let requestIsOver = false;
    const leave = (): void => {
      holders -= 1;
      if (holders === 0) this.add(client, -held);
    };
    return {
      grow: (bytes) => {
        if (requestIsOver) throw bodyTooLarge(0, 'bytes after the end of the request');
        if (held + bytes > bodyBytes) throw bodyTooLarge(bodyBytes, 'more');
        this.assertRoom(client, bytes);
        held += bytes;
        this.add(client, bytes);
      },
      reading: async (read) => {
        let timer: NodeJS.Timeout | undefined;
        const stalled = new Promise<never>((_, reject) => {
          let before = held;
          timer = setInterval(() => {
            if (held - before < bodyBytesPerSecond * PACE_SECONDS) reject(tooSlow(bodyBytesPerSecond));
            before = held;
          }, PACE_SECONDS * 1000);
        });
        try {
          return await Promise.race([read, stalled]);
        } finally {
          clearInterval(timer);
        }
      },
      until: (work) => {
        holders += 1;
        void work.then(leave, leave);
      },
      release: () => {
        if (requestIsOver) return;
        requestIsOver = true;
        leave();
      },
    };
  }
}

function full(code: 'busy' | 'client-busy', subject: string, limit: number, more: number, held: number): RequestError {
  return refuse(
    code,
    subject,
    `at most ${limit} bytes of requests at once${code === 'busy' ? '' : ' from one client'}`,
    `${more} bytes more than the ${held} that are held already`,
    'try again when Retry-After has passed',
  );
}

function tooSlow(bytesPerSecond: number): RequestError {
  return refuse(
    'request-timeout',
    'The body',
    `at least ${bytesPerSecond} bytes a second, over ${PACE_SECONDS} seconds`,
    'fewer',
    'send it faster',
  );
}
