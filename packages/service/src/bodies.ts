import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parse } from 'secure-json-parse';
import type { z } from 'zod';
import type { BodyLease } from './admission.js';
import { excerpt, refuse, RequestError, type ErrorCode } from './errors.js';
import type { ServiceLimits } from './limits.js';
import { batchSchema, formSchema, postSchema } from './schemas.js';

/** A post as it came: its image not decoded yet. */
export interface ReceivedPost {
  /** Who it is, for errors: "The post", "posts[3]". */
  readonly subject: string;
  readonly text: string | null;
  readonly image: Uint8Array | null;
}

/** Reads posts from parsed bodies, by the schemas that the OpenAPI document shows. */
export class PostReader {
  private readonly post: ReturnType<typeof postSchema>;
  private readonly form: ReturnType<typeof formSchema>;
  private readonly batch: ReturnType<typeof batchSchema>;

  constructor(limits: Pick<ServiceLimits, 'textCharacters' | 'batchPosts'>) {
    this.post = postSchema(limits);
    this.form = formSchema(limits);
    this.batch = batchSchema(limits);
  }

  /** @throws RequestError (bad-post, text-too-long, bad-image) */
  read(value: unknown, subject = 'The post'): ReceivedPost {
    const { text, image } = checked(this.post, value, subject);
    return whole({ subject, text: text ?? null, image: image == null ? null : decodeBase64(image, subject) });
  }

  /** @throws RequestError (bad-post, text-too-long) */
  readForm(value: unknown): ReceivedPost {
    const subject = 'The post';
    const { text, image } = checked(this.form, value, subject);
    return whole({ subject, text: text ?? null, image: image ?? null });
  }

  /** The posts of a batch, not checked yet. @throws RequestError (bad-post) when it is no batch */
  readBatch(value: unknown): readonly unknown[] {
    return checked(this.batch, value, 'The batch').posts;
  }
}

/** @throws RequestError saying what does not fit */
export function checked<Value>(schema: z.ZodType<Value>, value: unknown, subject: string): Value {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw describeIssue(result.error.issues[0] as z.core.$ZodIssue, value, subject);
}

function describeIssue(issue: z.core.$ZodIssue, value: unknown, subject: string): RequestError {
  const field = issue.path.map(String).join('.');
  const at = field === '' ? subject : `${subject}, ${field}`;
  const wrong = (code: ErrorCode, expected: string, received: string, remedy: string): RequestError =>
    refuse(code, at, expected, received, remedy);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const [first, ...more] = issue.keys;
      const others = more.length === 0 ? '' : ` and ${more.length} more`;
      return wrong('bad-post', 'no other fields than those of /openapi.json', `${excerpt(first as string)}${others}`, 'leave it out'); // prettier-ignore
    }
    case 'too_big': {
      const received = `${lengthAt(value, issue.path)}`;
      if (issue.origin === 'string') return wrong('text-too-long', `at most ${issue.maximum} characters`, received, 'shorten the text'); // prettier-ignore
      return wrong('bad-post', `at most ${issue.maximum} posts`, received, 'send several batches');
    }
    case 'too_small':
      return wrong('bad-post', `at least ${issue.minimum} post`, 'none', 'send posts');
    case 'invalid_type':
      return wrong('bad-post', nameOfType(issue.expected), typeAt(value, issue.path), 'see /openapi.json');
    default:
      return wrong('bad-post', 'a value as /openapi.json describes it', issue.message, 'see /openapi.json');
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = { object: 'a JSON object', string: 'a string', array: 'a list' };

function nameOfType(expected: string): string {
  return TYPE_NAMES[expected] ?? expected;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)[key], value);
}

function lengthAt(value: unknown, path: readonly PropertyKey[]): number {
  return (at(value, path) as { readonly length: number }).length;
}

function typeAt(value: unknown, path: readonly PropertyKey[]): string {
  const found = at(value, path);
  if (found === null) return 'null';
  if (Array.isArray(found)) return 'a list';
  return found === undefined ? 'nothing' : `a value of type ${typeof found}`;
}

/**
 * White space is no text, and no bytes are no image: browsers send a file without name and bytes where none was chosen.
 * @throws RequestError when there is nothing to judge, or a text that is none
 */
function whole(post: ReceivedPost): ReceivedPost {
  const { subject } = post;
  const image = post.image?.length === 0 ? null : post.image;
  const text = post.text === null || post.text.trim() === '' ? null : post.text;
  if (text === null && image === null) {
    throw refuse('bad-post', subject, 'text or an image, or both', 'neither', 'give one of them');
  }
  const character = text === null ? null : /[\0\p{Surrogate}]/u.exec(text);
  if (character === null) return { subject, text, image };
  const code = character[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  throw refuse(
    'bad-post',
    `${subject}, text`,
    'Unicode text without NUL characters and without halves of surrogate pairs',
    `U+${code} at character ${character.index}`,
    'remove it',
  );
}

const DATA_URL = /^data:(image\/[a-z0-9.+-]{1,64})?(?:;[a-z0-9.+=-]{1,64})*;base64,/i;
/** Of what comes before a data URL's bytes; the expression's stack grows with it. */
const LONGEST_PREFIX = 1024;

/**
 * Base64 by RFC 4648, section 4, bare or in a data URL; broken into lines, too, as MIME has it (RFC 2045, section 6.8).
 * The alphabet of addresses and file names (`-`, `_`; section 5) is not taken: what holds these is rather a path.
 * @throws RequestError (bad-image)
 */
function decodeBase64(value: string, subject: string): Uint8Array {
  const start = DATA_URL.exec(value.slice(0, LONGEST_PREFIX))?.[0].length ?? 0;
  const base64 = withoutSpaces(value.slice(start));
  if (base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return Buffer.from(base64, 'base64');
  throw refuse(
    'bad-image',
    `${subject}, image`,
    'the bytes of an image in base64 (with + and /, and with padding), or a data URL with base64',
    excerpt(value, 32),
    'encode the file itself; paths and addresses are never read',
  );
}

/** Byte by byte: a replacement takes seconds where every second character is a space. Other texts stay as they are. */
function withoutSpaces(value: string): string {
  if (!/[\t\n\r ]/.test(value) || !/^[A-Za-z0-9+/=\t\n\r ]*$/.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  let length = 0;
  for (const byte of bytes) if (byte > 0x20) bytes[length++] = byte;
  return bytes.toString('latin1', 0, length);
}

/** Reads `application/json` strictly: UTF-8, one JSON value, no `__proto__` or `constructor` to trip over. */
export function addJsonParser(app: FastifyInstance): void {
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: Readable) => {
    const lease = request.bodyLease as BodyLease;
    const body = await lease.reading(readBytes(payload, lease));
    if (body.length === 0) throw emptyBody();
    if (!isUtf8(body)) throw badJson('bytes that are not UTF-8');
    assertFewValues(body);
    try {
      return parse(body.toString('utf8'), { protoAction: 'error', constructorAction: 'error' }) as unknown;
    } catch (error) {
      throw badJson(excerpt((error as Error).message, 120));
    }
  });
}

/** All of a stream. It is left open when its reading ends early, so that the client can be told why. */
async function readBytes(stream: Readable, lease: Pick<BodyLease, 'grow'>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    lease.grow((chunk as Buffer).length);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

export function emptyBody(): RequestError {
  return refuse(
    'empty-body',
    'The body',
    'a post as JSON or as a form',
    'nothing',
    'send {"text": …, "image": …}; see /openapi.json',
  );
}

function badJson(received: string): RequestError {
  return refuse('bad-json', 'The body', 'valid JSON in UTF-8', received, 'check how it is made');
}

/** A batch needs some hundred brackets, colons and commas; unknown fields should still be named, if they are not too many. */
const MOST_MARKS = 100_000;
/** Texts may be of quotation marks only. */
const MOST_QUOTES = 1_000_000;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const MARKS: ReadonlySet<number> = new Set(Buffer.from('{}[]:,'));

/**
 * Twelve megabytes of brackets take the parser seconds, in which nothing else is answered. So they are counted before,
 * outside of strings, which are skipped.
 * @throws RequestError (bad-post) when there are more than a post or a batch has use for
 */
export function assertFewValues(json: Buffer): void {
  let marks = 0;
  let quotes = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] as number;
    if (byte === QUOTE) {
      at = endOfString(at);
      if (at === -1) return; // the parser says so
    } else if (MARKS.has(byte)) marks += 1;
    if (marks > MOST_MARKS || quotes > MOST_QUOTES) throw tooMany();
  }

  /** Where the string that begins there ends; -1 when it does not. */
  function endOfString(start: number): number {
    for (let at = json.indexOf(QUOTE, start + 1); at !== -1; at = json.indexOf(QUOTE, at + 1)) {
      quotes += 1;
      if (quotes > MOST_QUOTES) throw tooMany();
      let slashes = 0;
      while (json[at - 1 - slashes] === BACKSLASH) slashes += 1;
      if (slashes % 2 === 0) return at;
    }
    return -1;
  }
}

function tooMany(): RequestError {
  return refuse(
    'bad-post',
    'The body',
    `a post or a batch: at most ${MOST_MARKS} brackets, colons and commas outside of texts`,
    'more',
    'see /openapi.json',
  );
}

/** Lets `multipart/form-data` in: one field "text", one file "image". */
export async function addFormParser(app: FastifyInstance, bodyBytes: number): Promise<void> {
  await app.register(multipart, {
    // a text comes as a field or as a file, whatever a client takes it for; both are read as bytes
    isPartAFile: () => true,
    // a byte more than a body may have: who reads it counts, and nothing is cut off in silence
    limits: { fileSize: bodyBytes + 1, files: 2, fields: 2, parts: 2, fieldNameSize: 100, headerPairs: 20 },
  });
}

/**
 * Reads a form's parts by name.
 * @throws RequestError (bad-multipart, bad-post); as `BodyLease.grow`; as `@fastify/multipart` does for parts that are too many or too large
 */
export async function readForm(
  request: FastifyRequest,
  lease: Pick<BodyLease, 'grow'>,
): Promise<{ [name: string]: string | Uint8Array }> {
  const form = new Map<string, string | Uint8Array>();
  try {
    for await (const part of request.parts()) {
      if (part.type !== 'file') continue;
      const bytes = await readBytes(part.file, lease);
      const name = part.fieldname;
      if (form.has(name)) throw twice(name);
      form.set(name, name === 'text' ? utf8(bytes) : bytes);
    }
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (error instanceof RequestError || code?.startsWith('FST_') === true) throw error;
    throw badMultipart((error as Error).message, error);
  }
  return Object.fromEntries(form);
}

function utf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw badMultipart('a text that is not UTF-8');
}

function twice(name: string): RequestError {
  return refuse('bad-post', 'The form', 'each field once', `${excerpt(name)} twice`, 'send one post');
}

function badMultipart(received: string, cause?: unknown): RequestError {
  return refuse(
    'bad-multipart',
    'The form',
    'a whole multipart/form-data body with its boundary, texts in UTF-8',
    excerpt(received, 120),
    'check how it is made',
    cause,
  );
}
