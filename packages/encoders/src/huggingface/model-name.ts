import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigurationError, UnavailableError } from '@drf/tensor';

const HUB_ID = /^[\w][\w.-]*(\/[\w][\w.-]*)?$/;

/** A model in a folder, or on the hub. */
export type ModelName = { readonly folder: string } | { readonly id: string };

/** Words for errors: who was asked, what a folder should hold, what an id looks like. */
export interface ModelNameWords {
  readonly subject: string;
  readonly folderHolds: string;
  readonly exampleId: string;
}

/**
 * Tells a folder from a hub id: what exists as a folder is one, and so is what looks like a path.
 * @throws UnavailableError for a path without a folder, ConfigurationError for what is neither
 */
export function parseModelName(model: string, words: ModelNameWords): ModelName {
  const path = resolve(model);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return { folder: path };
  if (/^([./~]|[A-Za-z]:\\)/.test(model) || model.split('/').length > 2) {
    throw new UnavailableError({
      subject: `model folder ${model}`,
      expected: `a folder with ${words.folderHolds}`,
      received: 'no such folder',
      remedy: 'check the path',
    });
  }
  if (HUB_ID.test(model) && !model.includes('..')) return { id: model };
  throw new ConfigurationError({
    subject: words.subject,
    expected: `a hub id such as "${words.exampleId}", or a folder`,
    received: JSON.stringify(model),
  });
}
