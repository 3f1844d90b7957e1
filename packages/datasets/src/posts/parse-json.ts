/** Strings and numbers of JSON, as they are written. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|-?\b(?:NaN|Infinity)\b/gs;

/**
 * Parses JSON; whole numbers that a double cannot hold (ids of tweets) come as text of their own digits. `NaN` and
 * `Infinity`, which are no JSON but which Python writes, come as `null`.
 * @throws SyntaxError for anything else that is not JSON
 */
export function parseJson(text: string): unknown {
  const hasDigits = /\d{16}/.test(text);
  if (hasDigits || /NaN|Infinity/.test(text)) return JSON.parse(text.replace(TOKENS, exactToken));
  return JSON.parse(text);
}

function exactToken(token: string): string {
  if (token.startsWith('"')) return token;
  if (/^-?(NaN|Infinity)$/.test(token)) return 'null';
  const isWhole = /^-?(0|[1-9]\d*)$/.test(token);
  return isWhole && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token;
}
