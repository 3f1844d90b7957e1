import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Messages of other programs, which the page quotes as they print them. */
const FOREIGN = [
  'Error: getaddrinfo ENOTFOUND api.nuget.org',
  'TypeError: Long.fromString is not a function',
  "Error: @tensorflow/tfjs tried to access long, but it isn't declared in its dependencies",
  'Hi, looks like you are running TensorFlow.js in Node.js.',
];

const page = await readFile(join(ROOT, 'docs', 'troubleshooting.md'), 'utf8');
const messages = [...page.matchAll(/^```text\n(.*)\n```$/gm)]
  .map(([, message]) => message as string)
  .filter((message) => !FOREIGN.includes(message));

async function sourcesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(({ name, parentPath }) => {
    const isCode = name.endsWith('.ts') && !/\.(test|contract)\.ts$/.test(name);
    return (
      isCode && /[\\/]src([\\/]|$)/.test(parentPath) && !/node_modules|[\\/](dist|testing)([\\/]|$)/.test(parentPath)
    );
  });
  return Promise.all(files.map(({ name, parentPath }) => readFile(join(parentPath, name), 'utf8')));
}

/** The parts of a message that stand in the code as they are: between what differs, commands, and what joins a report. */
function parts(message: string): string[] {
  return message
    .split(/…| expected |, received |; |"?pnpm (?:run )?[a-z:]+(?: [a-z]+)?"?/)
    .map((part) => part.replace(/^[\s,.:"?]+|[\s,.:"?]+$/g, ''))
    .filter((part) => part.length > 2);
}

describe('docs/troubleshooting.md', () => {
  let sources: string[] = [];
  beforeAll(async () => {
    sources = (await Promise.all(['packages', 'apps'].map((kind) => sourcesBelow(join(ROOT, kind))))).flat();
  });

  it('has messages to check', () => {
    expect(messages.length).toBeGreaterThan(15);
    for (const foreign of FOREIGN) expect(page).toContain(foreign);
  });

  it.each(messages)('quotes what the code says: %s', (message) => {
    const missing = parts(message).filter((part) => !sources.some((source) => source.includes(part)));
    expect(missing).toEqual([]);
  });

  it('would notice a message that the code does not have', () => {
    const [invented] = parts('… expected a unicorn in the garden, received …');
    expect(sources.some((source) => source.includes(invented as string))).toBe(false);
  });
});
