import { readFileSync } from 'node:fs';
import { DataError } from '@drf/tensor';

/** Sets of emoji drawings (SVG) and the licenses of their art: CC-BY-4.0, Apache-2.0, CC-BY-SA-4.0, MIT. */
export const EMOJI_SETS = ['twemoji', 'noto', 'openmoji', 'fluent-emoji-flat'] as const;
/** One of the four sets that emoji are drawn by. */
export type EmojiSetName = (typeof EMOJI_SETS)[number];

/** One drawing: the inside of an SVG of the given size. */
export interface EmojiDrawing {
  readonly body: string;
  readonly width: number;
  readonly height: number;
}

/** Who drew a set and under which license: what showing its drawings must say. */
export interface EmojiSetCredit {
  readonly name: string;
  readonly author: { readonly name: string; readonly url: string };
  readonly license: { readonly title: string; readonly url: string };
}

/** What `data/emoji-drawings.json` holds: of each set the drawings that embedded posts may need. */
export type EmojiDrawings = Readonly<Record<EmojiSetName, EmojiSet>>;

interface EmojiSet {
  /** Of the package that the drawings are from, `@iconify-json/…`; part of what pictures are known by. */
  readonly version: string;
  readonly credit: EmojiSetCredit;
  /** Of each drawing. */
  readonly width: number;
  readonly height: number;
  /** Insides of SVGs by emoji. */
  readonly bodies: Readonly<Record<string, string>>;
}

/** Beside `src` and `dist`. */
export const DRAWINGS_FILE = new URL('../../data/emoji-drawings.json', import.meta.url);

let drawings: EmojiDrawings | undefined;

function emojiSet(name: EmojiSetName): EmojiSet {
  drawings ??= JSON.parse(readFileSync(DRAWINGS_FILE, 'utf8')) as EmojiDrawings;
  return drawings[name];
}

/** Version of a set, which decides its drawings. */
export function emojiSetVersion(name: EmojiSetName): string {
  return emojiSet(name).version;
}

/** A set's credit, as its makers state it. */
export function emojiSetCredit(name: EmojiSetName): EmojiSetCredit {
  return emojiSet(name).credit;
}

/** @throws DataError when the set does not draw that emoji */
export function drawEmoji(name: EmojiSetName, emoji: string): EmojiDrawing {
  const { width, height, bodies } = emojiSet(name);
  const body = bodies[emoji];
  if (body !== undefined) return { body, width, height };
  throw new DataError({
    subject: `Emoji set ${name}`,
    expected: `a drawing of ${emoji}`,
    received: 'none',
    remedy: 'choose an emoji of the embedded posts',
  });
}
