import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { DataError } from '@drf/tensor';

/** Packages of emoji drawings (SVG) and the licenses of their art: CC-BY-4.0, Apache-2.0, CC-BY-SA-4.0, MIT. */
export const EMOJI_SETS = ['twemoji', 'noto', 'openmoji', 'fluent-emoji-flat'] as const;
/** One of the four sets that emoji are drawn by. */
export type EmojiSetName = (typeof EMOJI_SETS)[number];

/** One drawing: the inside of an SVG of the given size. */
export interface EmojiDrawing {
  readonly body: string;
  readonly width: number;
  readonly height: number;
}

interface IconFile {
  readonly width: number;
  readonly height: number;
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
  readonly aliases?: Readonly<Record<string, { readonly parent: string }>>;
}

/** The drawings of one emoji set. */
export interface EmojiSet {
  /** @throws DataError when the set does not draw that emoji */
  draw(emoji: string): EmojiDrawing;
}

const require = createRequire(import.meta.url);
const loaded = new Map<EmojiSetName, Promise<EmojiSet>>();

/** Version of the installed package, which decides its drawings. */
export function emojiSetVersion(name: EmojiSetName): string {
  return (require(`@iconify-json/${name}/package.json`) as { version: string }).version;
}

/** Who drew a set and under which license: what showing its drawings must say. */
export interface EmojiSetCredit {
  readonly name: string;
  readonly author: { readonly name: string; readonly url: string };
  readonly license: { readonly title: string; readonly url: string };
}

/** A set's credit, as its package states it. */
export function emojiSetCredit(set: EmojiSetName): EmojiSetCredit {
  const { name, author, license } = require(`@iconify-json/${set}/info.json`) as EmojiSetCredit;
  return { name, author: { name: author.name, url: author.url }, license: { title: license.title, url: license.url } };
}

/** Loads a set once; its files hold 9 to 25 MB. */
export function loadEmojiSet(name: EmojiSetName): Promise<EmojiSet> {
  const present = loaded.get(name);
  if (present !== undefined) return present;
  const loading = readEmojiSet(name);
  loaded.set(name, loading);
  return loading;
}

async function readEmojiSet(name: EmojiSetName): Promise<EmojiSet> {
  const readJson = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(require.resolve(`@iconify-json/${name}/${file}`), 'utf8'));
  const icons = (await readJson('icons.json')) as IconFile;
  const names = (await readJson('chars.json')) as Readonly<Record<string, string>>;
  return { draw: (emoji) => findDrawing(name, icons, names, emoji) };
}

function findDrawing(
  set: string,
  file: IconFile,
  names: Readonly<Record<string, string>>,
  emoji: string,
): EmojiDrawing {
  const code = [...emoji].map((character) => (character.codePointAt(0) as number).toString(16));
  const name = names[code.join('-')] ?? names[code.filter((part) => part !== 'fe0f').join('-')] ?? '';
  const icon = file.icons[name] ?? file.icons[file.aliases?.[name]?.parent ?? ''];
  if (icon !== undefined) return { body: icon.body, width: file.width, height: file.height };
  throw new DataError({
    subject: `Emoji set ${set}`,
    expected: `a drawing of ${emoji}`,
    received: 'none',
    remedy: 'install the versions that the lock file names',
  });
}
