import type { z } from 'zod';
import { contentHash, isModulePath, type Definition } from '@drf/files';
import {
  ConfigurationError,
  isOwnId,
  MODALITIES,
  ownDefinition,
  refuser,
  type Engine,
  type Modality,
} from '@drf/tensor';
import type { ImageEncoder, TextEncoder, TrainableImageEncoder, TrainableTextEncoder } from './contract.js';

/** What a module of the user's own may make. */
export type OwnEncoder = ImageEncoder | TextEncoder | TrainableImageEncoder | TrainableTextEncoder;

/** What an encoder is made for. */
export interface EncoderContext {
  /** The id that it must have. It follows the module's content and the options, so that no feature is taken for another. */
  readonly id: string;
  readonly modality: Modality;
  /** Runs a frozen encoder's programs. Absent where an encoder is wanted that trains in the step. */
  readonly engine?: Engine;
}

/** What an encoder asks of the pipeline. */
export interface EncoderNeeds {
  /** What it can encode; left out: both. */
  readonly modalities?: readonly Modality[];
}

/**
 * An encoder in a module of the user's own, for `--encoders.text ./my-encoder.ts`: one file, whose default export is
 *
 * ```ts
 * export default {
 *   name: 'my-encoder',
 *   options: z.strictObject({ dim: z.int().min(1).default(64) }),
 *   needs: { modalities: ['text'] },
 *   create: ({ dim }, { id }) => new MyTextEncoder(id, dim),
 * } satisfies EncoderDefinition;
 * ```
 */
export type EncoderDefinition<Schema extends z.ZodObject = z.ZodObject> = Definition<
  Schema,
  EncoderNeeds,
  [context: EncoderContext],
  OwnEncoder | Promise<OwnEncoder>
>;

/** Whether a name means a module of the user's own: its path, its package, or the id that a run keeps of it. */
export function isOwnName(name: string): boolean {
  return isOwnId(name) || (isModulePath(name) && !/^(huggingface|transformers):/.test(name));
}

/**
 * Makes an encoder out of a module that was loaded before: no name that a run keeps makes code run.
 * @param name its id or its module, as the user named it
 * @param given its options
 * @param engine for a frozen encoder; left out, it is one that trains
 * @throws ConfigurationError when no module that was loaded brings it, it is not for the modality, its options are not
 *   right, or what it makes is not what was asked for
 */
export async function openOwnEncoder(
  name: string,
  modality: Modality,
  given: Readonly<Record<string, unknown>> = {},
  engine?: Engine,
): Promise<OwnEncoder> {
  const { id: module, definition, parseOptions } = ownDefinition<EncoderDefinition>(name, 'encoder');
  const refuse = refuser(ConfigurationError, `Own encoder ${module}`);
  const { modalities = MODALITIES } = definition.needs ?? {};
  if (!modalities.includes(modality)) {
    throw refuse(
      `a place as encoder of ${modalities.join(' or ')}`,
      modality,
      `name it by --encoders.${modalities[0]}`,
    );
  }
  const options = parseOptions(given);
  const isPlain = Object.keys(options).length === 0;
  const id = [module, modality, ...(isPlain ? [] : [contentHash(JSON.stringify(options)).slice(0, 8)])].join(':');
  const encoder = await definition.create(options, { id, modality, ...(engine === undefined ? {} : { engine }) });
  const wanted = { id, modality, trainable: engine === undefined };
  const received = { id: encoder.id, modality: encoder.modality, trainable: encoder.trainable };
  if (JSON.stringify(received) !== JSON.stringify(wanted)) {
    await encoder.dispose();
    throw refuse(
      `to make ${JSON.stringify(wanted)}`,
      JSON.stringify(received),
      'take id and modality from the context',
    );
  }
  return encoder;
}
