import { PageError } from '../page-error.js';

export interface Expected {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly onProgress: (bytes: number, total: number) => void;
}

/** A whole file. @throws PageError when it cannot be had, or is another than expected */
export async function download(
  address: string,
  headers: Readonly<Record<string, string>>,
  expected?: Expected,
): Promise<Uint8Array> {
  // prettier-ignore
  const response = await fetch(address, { headers }).catch(() => null);
  const name = address.split('/').at(-1) as string;
  if (response?.ok !== true || response.body === null) throw new PageError(`${name} could not be loaded.`);
  if (expected === undefined) return new Uint8Array(await response.arrayBuffer());
  const content = new Uint8Array(expected.bytes);
  let filled = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (filled + value.length > content.length) throw damaged(name);
    content.set(value, filled);
    filled += value.length;
    expected.onProgress(filled, content.length);
  }
  if (filled !== content.length || !(await hasHash(content, expected.sha256))) throw damaged(name);
  return content;
}

function damaged(name: string): PageError {
  return new PageError(`${name} is not the file that its card describes. Reload the page, or export the run again.`);
}

/** Browsers offer hashes to pages of a secure origin only (https, or this machine); elsewhere the size must do. */
async function hasHash(content: Uint8Array<ArrayBuffer>, sha256: string): Promise<boolean> {
  if (globalThis.crypto.subtle === undefined) return true;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('') === sha256;
}
