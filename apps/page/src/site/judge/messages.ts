import type { Judgment, PostContent } from '@drf/predict';
import type { Card } from './connection.js';

/** What the page asks of the worker. */
export type Request =
  | { readonly kind: 'load'; readonly card: Card; readonly folder: string; readonly headers: Readonly<Record<string, string>> } // prettier-ignore
  | { readonly kind: 'judge'; readonly id: number; readonly content: PostContent };

/** What the worker says. */
export type Answer =
  | { readonly kind: 'loading'; readonly bytes: number; readonly total: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'judged'; readonly id: number; readonly judgment: Judgment }
  /** Without id: loading failed. */
  | { readonly kind: 'failed'; readonly id?: number; readonly message: string };
