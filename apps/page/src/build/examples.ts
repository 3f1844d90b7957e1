import { EmojiImage, emojiSetCredit, openDataset, type EmojiSetCredit, type PostRecord } from '@drf/datasets';
import { DataError } from '@drf/tensor';

/** An example post, as `examples.json` has it. */
export interface ExampleEntry {
  readonly id: string;
  /** Relative to the page. */
  readonly image: string;
  readonly text: string;
  readonly label: string;
  readonly credit: EmojiSetCredit;
}

/** Of the test split of the embedded data set: each class, each emoji set, and two whose image and text disagree. */
const CHOSEN = ['test-0045', 'test-0012', 'test-0001', 'test-0033', 'test-0024', 'test-0026'];

/** Example posts as files of the page, by path: pictures and `examples/examples.json`. */
export async function exampleFiles(): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const dataset = await openDataset({ name: 'embedded' });
  const files = new Map<string, Uint8Array | string>();
  const entries: ExampleEntry[] = [];
  for (const id of CHOSEN) {
    const record = dataset.records.find((each) => each.id === id);
    const picture = pictureOf(id, record);
    const image = `examples/${id}.png`;
    files.set(image, await picture.bytes());
    entries.push({
      id,
      image,
      text: (await dataset.readText(record as PostRecord)) as string,
      label: dataset.classes[(record as PostRecord).label] as string,
      credit: emojiSetCredit(picture.scene.set),
    });
  }
  files.set('examples/examples.json', `${JSON.stringify(entries, null, 2)}\n`);
  return files;
}

function pictureOf(id: string, record: PostRecord | undefined): EmojiImage {
  if (record?.image instanceof EmojiImage) return record.image;
  throw new DataError({
    subject: `Example post ${id}`,
    expected: 'a post with a picture in the embedded data set',
    received: record === undefined ? 'no such post' : 'one without',
    remedy: 'choose others in apps/page/src/build/examples.ts',
  });
}
