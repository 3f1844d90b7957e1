import { openFeatureCache, tokenRowEncoder, type FrozenEncoder, type UpperEncoder } from '@drf/encoders';
import { DataError, MODALITIES, type Modality } from '@drf/tensor';
import { encoded } from './content-rows.js';
import { planRecords, type EncodedOutput, type EncodeOptions } from './encode-records.js';
import { contentKey, isPresent, loadContent, type Content, type PlannedRecord } from './planned-record.js';
import { isUpper } from './session.js';

/** Posts under one disruption, of which some modalities are encoded. */
export interface EncodedView extends Pick<EncodeOptions, 'records' | 'strategy' | 'seed'> {
  /** Default: both. */
  readonly modalities?: readonly Modality[];
}

/** What an encoder makes of posts and their disruptions, and how much of it is there already. */
export interface EncodingNeed extends EncodedOutput {
  readonly encoder: string;
  /** Contents, each disruption of one counted by itself, and equal ones once. */
  readonly contents: number;
  readonly cached: number;
  /** On disk, of all and of what is lacking. */
  readonly bytes: number;
  readonly missingBytes: number;
  /** Of states: the most tokens of a content. */
  readonly tokens?: number;
  /** How numbers are kept. */
  readonly storage: 'float16' | 'float32';
}

/** Contents whose keys are looked up together. */
const AT_ONCE = 64;
/** Of a row's entry in the index. */
const ENTRY_BYTES = 48;

/** One kind of output of one encoder. */
interface Pass {
  readonly kind: EncodedOutput['kind'];
  readonly modality: Modality;
  readonly encoder: string;
  readonly storage: EncodingNeed['storage'];
  readonly keys: Set<string>;
  /** Bytes, tokens, and whether the cache has it. */
  look(keys: readonly string[], plans: readonly PlannedRecord[]): Promise<readonly Found[]>;
  /** What is encoded of the posts; nothing for one that lacks the modality. */
  shown(plan: PlannedRecord): PlannedRecord | undefined;
}

interface Found {
  readonly isCached: boolean;
  readonly bytes: number;
  readonly tokens?: number;
}

/**
 * What encoding the views takes, by looking at texts, hashes of files and indices of the cache alone: nothing is encoded or
 * written. Posts that cannot be read are passed over.
 * @param kinds of outputs that are looked at; default: all
 */
export async function surveyEncoding(
  options: Omit<EncodeOptions, 'records' | 'strategy' | 'seed'>,
  views: readonly EncodedView[],
  kinds: readonly EncodedOutput['kind'][] = ['features', 'tokens', 'states'],
): Promise<EncodingNeed[]> {
  const passes = (await passesOf(options)).filter(({ kind }) => kinds.includes(kind));
  const needs = new Map(passes.map((pass) => [pass, { contents: 0, cached: 0, bytes: 0, missingBytes: 0, tokens: 0 }]));
  if (passes.length === 0) return [];
  for (const { modalities = MODALITIES, ...view } of views) {
    const plans = await planRecords({ ...options, ...view }, () => undefined);
    for (const [pass, sums] of needs) {
      if (!modalities.includes(pass.modality)) continue;
      for (const { isCached, bytes, tokens = 0 } of await lookAt(options, pass, plans)) {
        sums.contents++;
        sums.cached += Number(isCached);
        sums.bytes += bytes;
        sums.missingBytes += isCached ? 0 : bytes;
        sums.tokens = Math.max(sums.tokens, tokens);
      }
      options.signal?.throwIfAborted();
    }
  }
  return [...needs].map(([{ kind, modality, encoder, storage }, { tokens, ...sums }]) => ({
    ...{ modality, kind, encoder, storage, ...sums },
    ...(kind === 'states' ? { tokens } : {}),
  }));
}

async function lookAt(
  { dataset, session }: Pick<EncodeOptions, 'dataset' | 'session'>,
  { modality, keys, look, shown }: Pass,
  plans: readonly PlannedRecord[],
): Promise<Found[]> {
  const found: Found[] = [];
  const seen = plans.flatMap((plan) => shown(plan) ?? []);
  for (let start = 0; start < seen.length; start += AT_ONCE) {
    const own = seen.slice(start, start + AT_ONCE);
    const keyed = await Promise.all(own.map((plan) => keyOf(plan)));
    const fresh = [...own.keys()].filter((i) => {
      const key = keyed[i];
      if (key === undefined || keys.has(key)) return false;
      keys.add(key);
      return true;
    });
    found.push(...(await look(fresh.map((i) => keyed[i] as string), fresh.map((i) => own[i] as PlannedRecord)))); // prettier-ignore
  }
  return found;

  async function keyOf(plan: PlannedRecord): Promise<string | undefined> {
    try {
      return await contentKey(dataset, plan, modality, session.text.maskToken);
    } catch (error) {
      if (error instanceof DataError) return undefined;
      throw error;
    }
  }
}

async function passesOf({
  session,
  needs,
  cache,
  dataset,
}: Omit<EncodeOptions, 'records' | 'strategy' | 'seed'>): Promise<Pass[]> {
  const standsIn = needs?.bothModalities === true;
  const passes: Pass[] = [];
  for (const modality of needs?.reads ?? MODALITIES) {
    const encoder = session[modality];
    if (!encoder.trainable) {
      const frozen = encoder as FrozenEncoder<Content>;
      passes.push(await rowPass('features', modality, frozen));
      if (needs?.tokens === true) passes.push(await rowPass('tokens', modality, tokenRowEncoder(frozen)));
    } else if (isUpper(encoder)) {
      passes.push(statePass(modality, encoder as UpperEncoder<Content>));
    }
  }
  return passes;

  async function rowPass(kind: Pass['kind'], modality: Modality, encoder: FrozenEncoder<Content>): Promise<Pass> {
    const rows = cache === undefined ? undefined : await openFeatureCache(cache, encoder);
    await rows?.close(); // the index alone is asked
    const { storage = 'float32' } = encoder;
    const bytes = encoder.outputDim * (storage === 'float16' ? 2 : 4) + ENTRY_BYTES;
    return {
      ...{ kind, modality, encoder: encoder.id, storage, keys: new Set<string>() },
      look: async (keys) => keys.map((key) => ({ isCached: rows?.has(key) === true, bytes })),
      shown: (plan) => (standsIn || isPresent(plan, modality) ? plan : undefined),
    };
  }

  function statePass(modality: Modality, { states }: UpperEncoder<Content>): Pass {
    const mask = session.text.maskToken;
    return {
      ...{ kind: 'states' as const, modality, encoder: states.id, storage: states.storage, keys: new Set<string>() },
      look: async (keys, plans) => {
        const contents = plans.map(async (plan) =>
          modality === 'text' ? loadContent(dataset, plan, modality, mask) : undefined,
        );
        const tokens = await states.tokensOf(await Promise.all(contents));
        const isCached = await states.has(keys, tokens);
        return tokens.map((count, i) => ({
          isCached: isCached[i] === true,
          bytes: states.rowBytes(count) + ENTRY_BYTES,
          tokens: count,
        }));
      },
      shown: (plan) => encoded({ standsIn, modality }, plan),
    };
  }
}
