// The emoji sets as npm has them, whole: what the drawings beside @drf/datasets are taken from.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { emojiEmotion } from 'emoji-emotion';
import { DataError } from '@drf/tensor';
import { EMOJI_SETS, type EmojiDrawings, type EmojiSetCredit, type EmojiSetName } from '../embedded/emoji-sets.js';
import { NEUTRAL_EMOJI } from '../embedded/vocabulary.js';

interface IconFile {
  readonly width: number;
  readonly height: number;
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
  readonly aliases?: Readonly<Record<string, { readonly parent: string }>>;
}

const require = createRequire(import.meta.url);

/**
 * All drawings that embedded posts may need, by the packages `@iconify-json/*`.
 * @throws DataError when a set lacks one
 */
export async function drawingsOfPackages(): Promise<EmojiDrawings> {
  const sets = await Promise.all(EMOJI_SETS.map(async (name) => [name, await drawingsOf(name)] as const));
  return Object.fromEntries(sets) as EmojiDrawings;
}

async function drawingsOf(set: EmojiSetName): Promise<EmojiDrawings[EmojiSetName]> {
  const read = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(require.resolve(`@iconify-json/${set}/${file}`), 'utf8'));
  const icons = (await read('icons.json')) as IconFile;
  const names = (await read('chars.json')) as Readonly<Record<string, string>>;
  const { version } = (await read('package.json')) as { readonly version: string };
  const { name, author, license } = (await read('info.json')) as EmojiSetCredit;
  const emoji = [...NEUTRAL_EMOJI, ...emojiEmotion.map((entry) => entry.emoji)];
  return {
    version,
    credit: {
      name,
      author: { name: author.name, url: author.url },
      license: { title: license.title, url: license.url },
    },
    width: icons.width,
    height: icons.height,
    bodies: Object.fromEntries([...new Set(emoji)].sort().map((each) => [each, bodyOf(set, icons, names, each)])),
  };
}

function bodyOf(set: string, file: IconFile, names: Readonly<Record<string, string>>, emoji: string): string {
  const code = [...emoji].map((character) => (character.codePointAt(0) as number).toString(16));
  const name = names[code.join('-')] ?? names[code.filter((part) => part !== 'fe0f').join('-')] ?? '';
  const icon = file.icons[name] ?? file.icons[file.aliases?.[name]?.parent ?? ''];
  if (icon !== undefined) return icon.body;
  throw new DataError({
    subject: `Emoji set ${set}`,
    expected: `a drawing of ${emoji}`,
    received: 'none',
    remedy: 'install the versions that the lock file names',
  });
}
