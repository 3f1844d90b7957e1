import { describe, expect, it, vi } from 'vitest';
import { ConfigurationError, DataError, NonFiniteError } from '@drf/tensor';
import { type EncodeItem, type EncodeProgress, encodeWithCache } from './encode-with-cache.js';
import { featureKey, hashContent, openFeatureCache } from './feature-cache.js';
import { countingEncoder, featureOf } from '../testing/fake-encoder.js';
import { temporaryFolder } from '../testing/temporary-folder.js';

/** Items of texts that note what was loaded. */
function itemsOf(texts: readonly string[], loads: string[] = []): EncodeItem<string>[] {
  return texts.map((text) => ({
    key: featureKey(hashContent(text)),
    name: `post "${text.slice(0, 9)}"`,
    load: async () => {
      loads.push(text);
      return text;
    },
  }));
}

const TEXTS = Array.from({ length: 11 }, (_, i) => 'x'.repeat(i + 1));
const EXPECTED = TEXTS.flatMap((text) => featureOf(text));

describe('encodeWithCache', () => {
  it('encodes in batches, in order, and the second run loads and encodes nothing', async () => {
    const root = await temporaryFolder();
    for (const run of ['first', 'second']) {
      const encoder = countingEncoder();
      const cache = await openFeatureCache(root, encoder);
      const loads: string[] = [];
      const progress: EncodeProgress[] = [];
      const store = await encodeWithCache({
        cache,
        encoder,
        items: itemsOf(TEXTS, loads),
        batchSize: 4,
        onProgress: (step) => progress.push(step),
      });
      const fresh = run === 'first';
      expect(encoder.encodedTexts).toEqual(fresh ? TEXTS : []);
      expect(loads).toEqual(fresh ? TEXTS : []);
      expect(progress.at(-1)).toEqual(
        fresh
          ? { done: 11, total: 11, cached: 0, encoded: 11, failed: 0 }
          : { done: 11, total: 11, cached: 11, encoded: 0, failed: 0 },
      );
      expect(store.count).toBe(11);
      expect((await store.all()).shape).toEqual([11, 4]);
      expect([...(await store.all()).data]).toEqual(EXPECTED);
      expect([...(await store.rows([10, 0])).data]).toEqual([...featureOf('x'.repeat(11)), ...featureOf('x')]);
      await cache.close();
    }
  });

  it('works without a cache, on streams, and encodes contents that come twice once', async () => {
    async function* stream() {
      yield* itemsOf(['a', 'bb', 'a', 'ccc', 'bb', 'a']);
    }
    const encoder = countingEncoder();
    const progress: EncodeProgress[] = [];
    const store = await encodeWithCache({
      encoder,
      items: stream(),
      batchSize: 2,
      onProgress: (step) => progress.push(step),
    });
    expect(encoder.encodedTexts).toEqual(['a', 'bb', 'ccc']);
    expect([...(await store.all()).data]).toEqual(
      ['a', 'bb', 'a', 'ccc', 'bb', 'a'].flatMap((text) => featureOf(text)),
    );
    expect(progress.at(-1)).toEqual({ done: 6, cached: 3, encoded: 3, failed: 0 });
    await expect(store.rows([6])).rejects.toThrow('FeatureStore.rows expected whole indices from 0 to 5, received 6');
  });

  it('takes no items at all', async () => {
    const store = await encodeWithCache({ encoder: countingEncoder(), items: [] });
    expect(store.count).toBe(0);
    expect((await store.all()).shape).toEqual([0, 4]);
  });

  it('separates disruptions of one content', async () => {
    const encoder = countingEncoder();
    const item = (disruption: string, text: string): EncodeItem<string> => ({
      key: featureKey('hash', disruption),
      load: async () => text,
    });
    const store = await encodeWithCache({ encoder, items: [item('', 'clean'), item('text:corrupt:0.5', '[MASK]')] });
    expect([...(await store.all()).data]).toEqual([...featureOf('clean'), ...featureOf('[MASK]')]);
  });

  it('holds at most two batches of contents', async () => {
    let held = 0;
    let most = 0;
    const encoder = countingEncoder({
      feature: (text) => (held--, featureOf(text)),
      delay: () => new Promise((resolve) => setTimeout(resolve, 2)),
    });
    const items = Array.from({ length: 100 }, (_, i) => ({
      key: `${i}`,
      load: async () => ((most = Math.max(most, ++held)), `text ${i}`),
    }));
    await encodeWithCache({ encoder, items, batchSize: 5 });
    expect(most).toBeLessThanOrEqual(10);
    expect(most).toBeGreaterThan(5); // the next batch loads while one is encoded
  });
});

describe('what goes wrong in encodeWithCache', () => {
  const withNaN = () => countingEncoder({ feature: (text) => (text === 'bad' ? [1, 2, NaN, 4] : featureOf(text)) });

  it('refuses NaN naming the item, and keeps what came before', async () => {
    const root = await temporaryFolder();
    const encoder = withNaN();
    const cache = await openFeatureCache(root, encoder);
    const items = itemsOf(['a', 'bb', 'bad', 'ccc']);
    const error = await encodeWithCache({ cache, encoder, items, batchSize: 2 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect((error as Error).message).toBe(
      'feature of post "bad" by encoder "counting:v1" expected finite numbers, received NaN at index 2; look at that ' +
        'item and at the encoder; it was not stored',
    );
    await cache.close();
    const again = await openFeatureCache(root, encoder);
    expect(items.map(({ key }) => again.has(key))).toEqual([true, true, false, false]);
    await again.close();
  });

  it('leaves failing items out when told to, and says which', async () => {
    const encoder = withNaN();
    const failures: string[] = [];
    const broken: EncodeItem<string> = {
      key: 'broken',
      name: 'post 3910',
      load: () => Promise.reject(new RangeError('premature end of JPEG')),
    };
    const store = await encodeWithCache({
      encoder,
      items: [...itemsOf(['a', 'bad']), broken, ...itemsOf(['dd'])],
      onRowError: (item, error) => failures.push(`${item.name}: ${error.message}`),
    });
    expect([...store.available]).toEqual([1, 0, 0, 1]);
    expect([...(await store.all()).data]).toEqual([...featureOf('a'), 0, 0, 0, 0, 0, 0, 0, 0, ...featureOf('dd')]);
    expect(failures.sort()).toEqual([
      expect.stringMatching(/^post "bad": feature of post "bad" .* received NaN at index 2/),
      'post 3910: Loading post 3910 expected its content, received premature end of JPEG',
    ]);
  });

  it('finds the one item that the encoder refuses', async () => {
    const refusing = countingEncoder({
      feature: (text) => {
        if (text === 'bad') throw new DataError({ subject: 'texts[1]', expected: 'good', received: 'bad' });
        return featureOf(text);
      },
    });
    const failed: string[] = [];
    const store = await encodeWithCache({
      encoder: refusing,
      items: itemsOf(['a', 'bad', 'ccc']),
      onRowError: (item) => failed.push(item.name as string),
    });
    expect(failed).toEqual(['post "bad"']);
    expect([...store.available]).toEqual([1, 0, 1]);
  });

  it.each([1, 2, 100])('tells of every item whose content is refused, at %i a batch', async (batchSize) => {
    const refusing = countingEncoder({
      feature: (text) => {
        if (text === 'bad') throw new DataError({ subject: 'texts[1]', expected: 'good', received: 'bad' });
        return featureOf(text);
      },
    });
    const texts = ['a', 'bad', 'ccc', 'bad', ...TEXTS, ...Array.from({ length: 600 }, () => 'bad'), 'a'];
    const items = itemsOf(texts).map((item, i) => ({ ...item, name: `${i}` }));
    const failed: number[] = [];
    const progress: EncodeProgress[] = [];
    const onRowError = ({ name }: { readonly name?: string }): void => void failed.push(Number(name));
    const store = await encodeWithCache({ encoder: refusing, items, batchSize, onRowError, onProgress: (step) => progress.push(step) }); // prettier-ignore
    const bad = texts.flatMap((text, i) => (text === 'bad' ? [i] : []));
    expect(failed.sort((a, b) => a - b)).toEqual(bad);
    expect([...store.available].flatMap((one, i) => (one === 0 ? [i] : []))).toEqual(bad);
    expect(progress.at(-1)).toMatchObject({ done: texts.length, failed: 602 });
  });

  it('does not blame items for an encoder that fails altogether', async () => {
    const failing = countingEncoder({
      feature: () => {
        throw new Error('session was released');
      },
    });
    const onRowError = vi.fn();
    const run = encodeWithCache({ encoder: failing, items: itemsOf(TEXTS), onRowError });
    await expect(run).rejects.toThrow('session was released');
    expect(onRowError).not.toHaveBeenCalled();
  });

  it('keeps complete batches when interrupted, and goes on from there', async () => {
    const root = await temporaryFolder();
    const encoder = countingEncoder();
    const cache = await openFeatureCache(root, encoder);
    const controller = new AbortController();
    const run = encodeWithCache({
      cache,
      encoder,
      items: itemsOf(TEXTS),
      batchSize: 3,
      signal: controller.signal,
      onProgress: ({ encoded }) => encoded >= 6 && controller.abort(),
    });
    await expect(run).rejects.toThrow(/aborted/);
    await cache.close();
    const second = countingEncoder();
    const again = await openFeatureCache(root, second);
    const store = await encodeWithCache({ cache: again, encoder: second, items: itemsOf(TEXTS) });
    expect(second.encodedTexts).toEqual(TEXTS.slice(6));
    expect([...(await store.all()).data]).toEqual(EXPECTED);
    await again.close();
  });

  it("refuses another encoder's cache, an encoder of the wrong width, and a bad batch size", async () => {
    const cache = await openFeatureCache(await temporaryFolder(), { id: 'other', outputDim: 4 });
    const encoder = countingEncoder();
    await expect(encodeWithCache({ cache, encoder, items: [] })).rejects.toThrow(
      'encodeWithCache expected a cache of encoder "counting:v1", received one of "other"; open the cache with',
    );
    await cache.close();
    await expect(encodeWithCache({ encoder, items: [], batchSize: 0 })).rejects.toThrow(ConfigurationError);
    const narrow = { ...countingEncoder({ outputDim: 3 }), outputDim: 4 };
    await expect(encodeWithCache({ encoder: narrow, items: itemsOf(['a']) })).rejects.toThrow(
      'encode() of encoder "counting:v1" expected [1, 4], received [1, 3]',
    );
  });
});
