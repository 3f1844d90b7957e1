import { RequestError } from './request-error.js';

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
  return new RequestError('bad-post', {
    subject: 'The body',
    expected: `a post or a batch: at most ${MOST_MARKS} brackets, colons and commas outside of texts`,
    received: 'more',
    remedy: 'see /openapi.json',
  });
}
