import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { notFound } from './problem.js';
import { RequestError } from './request-error.js';

export interface KnownMethods {
  /** Answers a request that no route takes: its `OPTIONS`. @throws RequestError (not-found, method-not-allowed) */
  answer(request: FastifyRequest, reply: FastifyReply): void;
}

const ALL = ['GET', 'HEAD', 'POST', 'OPTIONS'];

/** @param isFile whether a path is that of a static file */
export function knownMethods(app: FastifyInstance, isFile: (path: string) => boolean): KnownMethods {
  // a star is a pattern of routes, and no path
  const has = (method: 'GET' | 'POST', url: string): boolean => !url.includes('*') && app.hasRoute({ method, url });
  const methodsOf = (path: string): readonly string[] => {
    if (path === '*') return ALL; // OPTIONS * asks for the server itself (RFC 9110, section 9.3.7)
    const get = has('GET', path) || isFile(path);
    const methods = [...(get ? ['GET', 'HEAD'] : []), ...(has('POST', path) ? ['POST'] : [])];
    return methods.length === 0 ? [] : [...methods, 'OPTIONS'];
  };
  return {
    answer: ({ method, url }, reply) => {
      const methods = methodsOf(url.split('?')[0] as string);
      if (methods.length === 0 || methods.includes(method) !== (method === 'OPTIONS')) throw notFound();
      void reply.header('allow', methods.join(', '));
      if (method === 'OPTIONS') return void reply.status(204).send();
      throw new RequestError('method-not-allowed', {
        subject: 'The request',
        expected: methods.filter((each) => each !== 'HEAD' && each !== 'OPTIONS').join(' or '),
        received: method,
        remedy: 'see /openapi.json',
      });
    },
  };
}
