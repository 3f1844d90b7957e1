import type { z } from 'zod';
import type { ServiceLimits } from './limits.js';
import { excerpt, RequestError, type ErrorCode } from './request-error.js';
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
function checked<Value>(schema: z.ZodType<Value>, value: unknown, subject: string): Value {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw describeIssue(result.error.issues[0] as z.core.$ZodIssue, value, subject);
}

function describeIssue(issue: z.core.$ZodIssue, value: unknown, subject: string): RequestError {
  const field = issue.path.map(String).join('.');
  const at = field === '' ? subject : `${subject}, ${field}`;
  const wrong = (code: ErrorCode, expected: string, received: string, remedy: string): RequestError =>
    new RequestError(code, { subject: at, expected, received, remedy });
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
    throw new RequestError('bad-post', {
      subject,
      expected: 'text or an image, or both',
      received: 'neither',
      remedy: 'give one of them',
    });
  }
  const character = text === null ? null : /[\0\p{Surrogate}]/u.exec(text);
  if (character === null) return { subject, text, image };
  const code = character[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  throw new RequestError('bad-post', {
    subject: `${subject}, text`,
    expected: 'Unicode text without NUL characters and without halves of surrogate pairs',
    received: `U+${code} at character ${character.index}`,
    remedy: 'remove it',
  });
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
  throw new RequestError('bad-image', {
    subject: `${subject}, image`,
    expected: 'the bytes of an image in base64 (with + and /, and with padding), or a data URL with base64',
    received: excerpt(value, 32),
    remedy: 'encode the file itself; paths and addresses are never read',
  });
}

/** Byte by byte: a replacement takes seconds where every second character is a space. Other texts stay as they are. */
function withoutSpaces(value: string): string {
  if (!/[\t\n\r ]/.test(value) || !/^[A-Za-z0-9+/=\t\n\r ]*$/.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  let length = 0;
  for (const byte of bytes) if (byte > 0x20) bytes[length++] = byte;
  return bytes.toString('latin1', 0, length);
}
