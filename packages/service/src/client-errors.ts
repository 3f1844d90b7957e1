import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ServiceLimits } from './limits.js';
import { problemOf, PROBLEM_TYPE } from './problem.js';
import { RequestError } from './request-error.js';
import { SECURITY_HEADERS } from './security-headers.js';

interface ClientError extends Error {
  readonly code?: string;
  /** What came, as far as it was read at once. */
  readonly rawPacket?: unknown;
}

/** The first line of a request whose method the parser does not know: `BREW /pot HTTP/1.1`. */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~\w-]+ \S+ HTTP\/1\.[01]\r?\n/;

/**
 * Answers what Node's HTTP parser gives up on: clients that are too slow, headers that are too large, what is no HTTP.
 * @param onAnswer gets the status
 */
export function clientErrorHandler(limits: ServiceLimits, onAnswer: (status: number) => void) {
  return (error: ClientError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy();
    const problem = problemOf(describe(error, limits), 'none');
    const body = JSON.stringify(problem);
    const head = {
      ...SECURITY_HEADERS,
      connection: 'close',
      'content-type': PROBLEM_TYPE,
      'content-length': String(Buffer.byteLength(body)),
    };
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`);
    socket.once('finish', () => socket.destroy()); // whatever else it sends is not read
    onAnswer(problem.status);
  };
}

function describe({ code, rawPacket }: ClientError, limits: ServiceLimits): RequestError {
  const subject = 'The request';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new RequestError('request-timeout', {
      subject,
      expected: `headers within ${limits.headerMilliseconds} ms, all of it within ${limits.requestMilliseconds} ms`,
      received: 'less',
      remedy: 'send it faster',
    });
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new RequestError('headers-too-large', { subject, expected: 'headers of at most 16 KiB', received: 'more' });
  }
  if (code === 'HPE_INVALID_METHOD' && Buffer.isBuffer(rawPacket) && REQUEST_LINE.test(rawPacket.toString('latin1'))) {
    return new RequestError('unknown-method', { subject, expected: 'a method of HTTP', received: 'another' });
  }
  return new RequestError('bad-request', { subject, expected: 'HTTP/1.1', received: code ?? 'something else' });
}
