import { DataError, type DrfError, floatData, NonFiniteError, ShapeMismatchError } from '@drf/tensor';
import type { FrozenEncoder } from '../contract.js';
import { assertRow } from './row-store.js';

/** Something to encode. `load` is called only when the cache lacks the key. */
export interface EncodeItem<Content> {
  /** Decides the content: see `featureKey`. Items of one key are encoded once. */
  readonly key: string;
  /** For messages ("post 4499"); default the key. */
  readonly name?: string;
  /** The content itself; asked for when its feature is not in the cache. */
  load(): Promise<Content>;
}

/** An item with its content, or with why there is none. */
export type LoadedItem<Content> = { readonly item: EncodeItem<Content> } & (
  { readonly content: Content; readonly error?: undefined } | { readonly error: unknown }
);

/** An item with its feature, or with why there is none. */
export type EncodedItem<Content> = { readonly item: EncodeItem<Content> } & (
  { readonly row: Float32Array; readonly error?: undefined } | { readonly error: unknown }
);

export async function loadItem<Content>(item: EncodeItem<Content>): Promise<LoadedItem<Content>> {
  try {
    return { item, content: await item.load() };
  } catch (error) {
    return { item, error };
  }
}

/** Errors that one item causes, and not the encoder's state or the machine. */
export function isItemError(error: unknown): error is DrfError {
  return error instanceof DataError || error instanceof NonFiniteError;
}

async function encodeRows<Content>(encoder: FrozenEncoder<Content>, contents: Content[]): Promise<Float32Array[]> {
  const features = await encoder.encode(contents);
  const { shape } = features;
  if (shape.length !== 2 || shape[0] !== contents.length || shape[1] !== encoder.outputDim) {
    throw new ShapeMismatchError({
      subject: `encode() of encoder "${encoder.id}"`,
      expected: `[${contents.length}, ${encoder.outputDim}]`,
      received: `[${shape.join(', ')}]`,
    });
  }
  const data = floatData(features);
  return contents.map((_, i) => data.subarray(i * encoder.outputDim, (i + 1) * encoder.outputDim));
}

/** A row with its item, or the complaint that it holds NaN. */
function checked<Content>(encoder: FrozenEncoder<Content>, item: EncodeItem<Content>, row: Float32Array) {
  try {
    assertRow(`feature of ${item.name ?? item.key} by encoder "${encoder.id}"`, row, encoder.outputDim);
    return { item, row };
  } catch (error) {
    return { item, error };
  }
}

/**
 * Encodes loaded items at once. When an item makes the encoder fail, each is encoded alone, so that only that one is
 * lost. Errors that no item causes are thrown.
 */
export async function encodeLoaded<Content>(
  encoder: FrozenEncoder<Content>,
  batch: readonly LoadedItem<Content>[],
): Promise<EncodedItem<Content>[]> {
  const failed: EncodedItem<Content>[] = batch.flatMap((entry) =>
    'content' in entry ? [] : [{ item: entry.item, error: entry.error }],
  );
  const loaded = batch.flatMap((entry) => ('content' in entry ? [entry] : []));
  if (loaded.length === 0) return failed;
  try {
    const contents = loaded.map(({ content }) => content);
    const rows = await encodeRows(encoder, contents);
    return [...failed, ...loaded.map(({ item }, i) => checked(encoder, item, rows[i] as Float32Array))];
  } catch (error) {
    if (!isItemError(error)) throw error;
    const only = loaded[0] as LoadedItem<Content>;
    if (loaded.length === 1) return [...failed, { item: only.item, error }];
    const alone: EncodedItem<Content>[] = [];
    for (const entry of loaded) alone.push(...(await encodeLoaded(encoder, [entry])));
    return [...failed, ...alone];
  }
}
