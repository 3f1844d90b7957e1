import { ContentDataset, Ledger, openDataset, type Dataset, type PostRecord } from '@drf/datasets';
import { DEFAULT_IMAGE_DECODING } from '@drf/preprocessing';

/**
 * A data set of any number of posts for measuring: each row has its own record, and shares the content of one of 16
 * embedded posts, encoded as PNG and decoded anew at every reading.
 */
export async function generateDataset(count: number, imageSize: number): Promise<Dataset> {
  const embedded = await openDataset({ name: 'embedded', embedded: { train: 16, val: 0, test: 0 } });
  const contents = await Promise.all(
    embedded.records.map(async ({ image, text }) => ({
      image: await memorySource('generated image', image?.bytes()),
      text: await memorySource('generated text', text?.bytes()),
    })),
  );
  const records = Array.from({ length: count }, (_, index): PostRecord => {
    const label = index % embedded.classes.length;
    const { image, text } = contents[index % contents.length] ?? { image: null, text: null };
    return { id: String(index), label, image, text };
  });
  const ledger = new Ledger(`${count} generated posts`);
  ledger.keep(count);
  const decoding = { ...DEFAULT_IMAGE_DECODING, width: imageSize, height: imageSize };
  return new ContentDataset({
    name: 'generated',
    classes: embedded.classes,
    records,
    ledger,
    decoding,
    encoding: 'utf-8',
  });
}

async function memorySource(
  description: string,
  content: Promise<Uint8Array> | undefined,
): Promise<PostRecord['image']> {
  const bytes = await content;
  return bytes === undefined ? null : { description, bytes: () => Promise.resolve(bytes) };
}
