import type { Judgment } from '@drf/judge';
import { MODALITIES, PAIRS } from '@drf/tensor';
import { z } from 'zod';
import type { ServiceLimits } from './limits.js';

/** A schema as JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
export function jsonSchema(schema: z.ZodType): { readonly [keyword: string]: unknown } {
  const keywords = Object.entries(z.toJSONSchema(schema, { unrepresentable: 'any' }));
  return Object.fromEntries(keywords.filter(([keyword]) => keyword !== '$schema'));
}

/** What a text must hold to be one: something beside white space, and no NUL. */
const SOME_TEXT = { type: 'string', pattern: '\\S' };

/** A post in JSON. */
export function postSchema({ textCharacters }: Pick<ServiceLimits, 'textCharacters'>) {
  const text = z.string().max(textCharacters).nullish().meta({
    description: 'The text, without U+0000; left out, null, or nothing but white space: there is none.',
  }); // prettier-ignore
  const image = z.string().nullish().meta({
    contentEncoding: 'base64',
    description: 'The image (JPEG, PNG, GIF, WebP, TIFF, AVIF), in base64 (RFC 4648, section 4; line breaks are allowed) or as a data URL; left out, null, or empty: there is none. Nothing is ever fetched.', // prettier-ignore
  });
  return z.strictObject({ text, image }).meta({
    title: 'Post',
    description: 'Text, image, or both.',
    anyOf: [
      { required: ['text'], properties: { text: SOME_TEXT } },
      { required: ['image'], properties: { image: { type: 'string', minLength: 1 } } },
    ],
  });
}

/** A post as a form. */
export function formSchema({ textCharacters }: Pick<ServiceLimits, 'textCharacters'>) {
  return z
    .strictObject({
      text: z.string().max(textCharacters).optional().meta({ description: 'The text, in UTF-8; nothing but white space: there is none.' }),
      image: z.instanceof(Uint8Array).optional().meta({ type: 'string', format: 'binary', description: 'The image file; without bytes, there is none.' }),
    })
    .meta({ title: 'Form', description: 'Text, image, or both.', minProperties: 1 }); // prettier-ignore
}

const share = z.number().min(0).max(1);

/** What a model says of a post. */
export const judgmentSchema = z
  .strictObject({
    label: z.string().meta({ description: 'The most probable class.' }),
    probabilities: z.record(z.string(), share).meta({ description: 'By class, summing to 1, calibrated.' }),
    quality: z
      .strictObject({ image: share.nullable(), text: share.nullable() })
      .meta({
        description: 'Share of the training posts whose image (text) lies farther from what is usual than this one’s.',
      }),
    logDensity: z
      .strictObject({ image: z.number().nullable(), text: z.number().nullable() })
      .meta({ description: 'Log relative densities, from which quality is read by the quantiles of /v1/model.' }),
    intact: z.strictObject({ image: share.nullable(), text: share.nullable() }).meta({
      description: 'Probability that the image (text) is intact rather than corrupted as in training; null where that is not known.', // prettier-ignore
    }),
    pairWeights: z
      .record(z.enum(PAIRS), share)
      .nullable()
      .meta({ description: 'Shares of the (image, text) pairs in the verdict, summing to 1.' }),
    recovered: z.enum(MODALITIES).nullable().meta({ description: 'What was missing and recovered from the other.' }),
    unfamiliar: z.boolean().nullable().meta({ description: 'Whether it looks unlike all that was trained on.' }),
  })
  .meta({ title: 'Judgment' }) satisfies z.ZodType<Judgment>;

/** Which model judged. */
export const identitySchema = z.strictObject({
  name: z.string(),
  version: z.string().meta({ description: 'The beginning of the SHA-256 of the file of its weights.' }),
});

/** What `POST /v1/predict` answers: the judgment, and whose it is. */
export const answerSchema = judgmentSchema.extend({ model: identitySchema }).meta({ title: 'Answer' });
/** What `POST /v1/predict` answers. */
export type Answer = z.infer<typeof answerSchema>;

/** An error as the Open Inference Protocol has it. */
export const protocolErrorSchema = z.strictObject({ error: z.string() }).meta({ title: 'InferenceError' });

/** An error as RFC 9457 has it. */
export const problemSchema = z
  .strictObject({
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'What was expected, what came, and what to do.' }),
    code: z.string().meta({ description: 'The kind of error, for programs.' }),
    requestId: z.string().meta({ description: 'The request’s name in the logs.' }),
  })
  .meta({ title: 'Problem' });
/** A problem by RFC 9457: what was wrong with a request. */
export type Problem = z.infer<typeof problemSchema>;

/** Several posts. Each is checked on its own, so that a wrong one costs no other its answer. */
export function batchSchema(limits: Pick<ServiceLimits, 'textCharacters' | 'batchPosts'>) {
  return z.strictObject({
    posts: z
      .array(
        z
          .unknown()
          .meta({
            description: 'What is no post gets a problem in its place.',
            anyOf: [jsonSchema(postSchema(limits)), {}],
          }),
      )
      .min(1)
      .max(limits.batchPosts),
  });
}

/** What `POST /v1/predict/batch` answers. */
export const batchAnswerSchema = z.strictObject({
  answers: z
    .array(z.union([z.strictObject({ judgment: judgmentSchema }), z.strictObject({ problem: problemSchema })]))
    .meta({ description: 'In the order of the posts.' }),
  model: identitySchema,
});
/** What `POST /v1/predict/batch` answers. */
export type BatchAnswer = z.infer<typeof batchAnswerSchema>;

const quantiles = z.array(z.number()).nullable();

/** What the service says of its model: `/v1/model`. */
export const modelSchema = z
  .strictObject({
    mode: z
      .enum(['server', 'browser'])
      .meta({ description: 'Where the page judges: by POST /v1/predict, or by itself with the files below /model/.' }),
    predicts: z.boolean().meta({ description: 'Whether POST /v1/predict answers.' }),
    authentication: z.enum(['none', 'bearer']),
    version: z.string().meta({ description: 'Of the service.' }),
    model: identitySchema,
    classes: z.array(z.string()),
    method: z.string(),
    encoders: z.strictObject({ image: z.string(), text: z.string() }),
    run: z.string().meta({ description: 'Name of the run’s folder; of an ensemble, all of them.' }),
    checkpoint: z.string(),
    engine: z.string().nullable(),
    imageSize: z.int().meta({ description: 'Side in pixels at which images are decoded.' }),
    maskToken: z
      .string()
      .nullable()
      .meta({
        description: 'What a corrupted word is replaced by; null where the encoder is no part of the exported model.',
      }),
    calibration: z
      .strictObject({
        temperature: z.number().nullable(),
        quality: z
          .strictObject({ image: quantiles, text: quantiles })
          .nullable()
          .meta({ description: 'Quantiles (in even steps) of the training posts’ log relative densities.' }),
      })
      .nullable(),
    files: z.array(z.string()).meta({ description: 'Files below /model/.' }),
    limits: z.strictObject({
      bodyBytes: z.int(),
      pixels: z.int(),
      textCharacters: z.int(),
      batchPosts: z.int(),
      answerMilliseconds: z.int(),
    }),
  })
  .meta({ title: 'Model' });
/** What `GET /v1/model` answers. */
export type ModelAnswer = z.infer<typeof modelSchema>;
