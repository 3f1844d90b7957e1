import type { Judgment } from '@drf/judge';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { MODALITIES, type Modality } from '@drf/tensor';
import { checked, emptyBody, PostReader, type ReceivedPost } from './bodies.js';
import { excerpt, refuse } from './errors.js';
import type { Judging } from './judging.js';
import type { ServiceLimits } from './limits.js';
import { VERSION } from './metrics.js';
import type { ReloadableJudge } from './reloadable-judge.js';
import { jsonBody, responses } from './routes.js';
import { jsonSchema, protocolErrorSchema } from './schemas.js';

// Open Inference Protocol V2 in JSON, as KServe, Triton and others speak it (kserve/open-inference-protocol,
// specification/protocol/inference_rest.md). Tensors of n posts:
//
// inputs   text BYTES [n]; image BYTES [n], in base64. An empty element: there is none. One of the two may be left out.
// outputs  label BYTES [n]; probabilities FP32 [n, classes]; quality and intact FP32 [n, 2], of image and text; UNKNOWN
//          where it is not known, since JSON has no NaN.

/** Stands for a quality, or a probability of being intact, that is not known: they are from 0 to 1. */
const UNKNOWN = -1;

const OUTPUTS = ['label', 'probabilities', 'quality', 'intact'] as const;
type OutputName = (typeof OUTPUTS)[number];

const SAY = 'see GET /v2/models/NAME and /openapi.json';

const parametersSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const takenParameters = parametersSchema.optional().meta({ description: 'Taken, and not used.' });

/** What `POST /v2/models/NAME/infer` takes. */
function inferenceSchema({ batchPosts }: Pick<ServiceLimits, 'batchPosts'>) {
  const input = z.strictObject({
    name: z.enum(MODALITIES),
    shape: z.array(z.int()).meta({ description: '[n] or [n, 1].', minItems: 1, maxItems: 2, items: { type: 'integer', minimum: 1, maximum: batchPosts } }),
    datatype: z.literal('BYTES'),
    parameters: takenParameters,
    data: z
      .array(z.union([z.string(), z.array(z.string())]))
      .meta({ description: 'Texts; or images, in base64. An empty string: there is none.' }),
  }); // prettier-ignore
  return z
    .strictObject({
      id: z.string().max(1_000).optional(),
      parameters: takenParameters,
      inputs: z.array(input).meta({ description: 'text, image, or both.', minItems: 1, maxItems: 2 }),
      outputs: z
        .array(z.strictObject({ name: z.enum(OUTPUTS), parameters: takenParameters }))
        .optional()
        .meta({ description: 'Which are wanted; left out: all.', maxItems: OUTPUTS.length }),
    })
    .meta({ title: 'InferenceRequest' });
}
type InferenceRequest = z.infer<ReturnType<typeof inferenceSchema>>;
type InputTensor = InferenceRequest['inputs'][number];

const outputSchema = z.strictObject({
  name: z.enum(OUTPUTS),
  shape: z.array(z.int()),
  datatype: z.enum(['BYTES', 'FP32']),
  parameters: parametersSchema.optional(),
  data: z.array(z.union([z.string(), z.number()])).meta({ description: 'Row by row.' }),
});
type OutputTensor = z.infer<typeof outputSchema>;

/** What it answers. */
const inferenceAnswerSchema = z
  .strictObject({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    outputs: z.array(outputSchema),
  })
  .meta({ title: 'InferenceResponse' });
type InferenceAnswer = z.infer<typeof inferenceAnswerSchema>;

const tensorSchema = z.strictObject({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int()).meta({ description: '−1: any size.' }),
  parameters: parametersSchema.optional(),
});
const metadataSchema = z
  .strictObject({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensorSchema),
    outputs: z.array(tensorSchema),
  })
  .meta({ title: 'ModelMetadata' });
const serverSchema = z.strictObject({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
const modelReadySchema = z.strictObject({ name: z.string(), ready: z.boolean() });
const liveSchema = z.strictObject({ live: z.boolean() });
const readySchema = z.strictObject({ ready: z.boolean(), live: z.boolean() });

const tags = ['open inference protocol'];

/** Whether a path is of the protocol, whose errors have a form of their own. */
export function isOfProtocol(url: string): boolean {
  return /^\/v2(?:[/?]|$)/.test(url);
}

/** `GET /v2/health/live` and `/ready`, which are open to all. */
export function addProtocolHealth(app: FastifyInstance, isReady: () => boolean): void {
  const schema = (summary: string, answer: z.ZodType, more: object = {}): object => ({
    summary,
    tags,
    security: [],
    response: { ...protocolResponses(answer, []), ...more },
  });
  const notReady = { 503: { description: 'Not ready', content: { 'application/json': { schema: jsonSchema(readySchema) } } } }; // prettier-ignore
  app.get('/v2/health/live', { schema: schema('Whether the process answers', liveSchema) }, async () => ({ live: true })); // prettier-ignore
  app.get('/v2/health/ready', { schema: schema('Whether it judges', readySchema, notReady) }, async (_, reply) => {
    const ready = isReady();
    return reply.status(ready ? 200 : 503).send({ ready, live: true });
  });
}

interface NamedModel {
  readonly name: string;
  readonly version?: string;
}

/** `/v2`, and metadata and readiness of the model. */
export function addProtocolMetadata(app: FastifyInstance, judge: ReloadableJudge, isReady: () => boolean): void {
  const schema = (summary: string, answer: z.ZodType, problems: readonly number[]): object => ({ summary, tags, response: protocolResponses(answer, problems) }); // prettier-ignore
  app.get('/v2', { schema: schema('The server', serverSchema, [401]) }, async () => ({
    name: 'drf',
    version: VERSION,
    extensions: [],
  }));
  for (const path of modelPaths('')) {
    app.get(path, { schema: schema('The model', metadataSchema, [401, 404]) }, async ({ params }) => {
      assertModel(judge, params as NamedModel);
      return metadataOf(judge);
    });
  }
  for (const path of modelPaths('/ready')) {
    const options = { schema: schema('Whether the model judges', modelReadySchema, [401, 404, 503]) };
    app.get(path, options, async ({ params }, reply) => {
      assertModel(judge, params as NamedModel);
      const ready = isReady();
      return reply.status(ready ? 200 : 503).send({ name: judge.current.identity.name, ready });
    });
  }
}

/** `POST /v2/models/NAME/infer`. */
export function addProtocolInference(app: FastifyInstance, judging: Judging, judge: ReloadableJudge): void {
  const reader = new InferenceReader(judging.limits);
  const schema = {
    summary: 'Judges posts; a wrong one costs all of them their answer',
    tags,
    body: jsonBody(inferenceSchema(judging.limits)),
    response: protocolResponses(inferenceAnswerSchema, [401, 404, 408, 413, 415, 422, 429, 503, 504]),
  };
  for (const path of modelPaths('/infer')) {
    app.post(path, { schema }, (request, reply) => infer(request, reply));
  }

  async function infer(request: FastifyRequest, reply: FastifyReply): Promise<InferenceAnswer> {
    assertModel(judge, request.params as NamedModel);
    if (request.isMultipart()) throw notJson('a form', 'send tensors as JSON');
    if (request.body === undefined) throw emptyBody();
    const { id, outputs, posts } = reader.read(request.body);
    return judging.answer(request, reply, posts.length, async ({ model, judge: judgePost }) => {
      const judgments = await Promise.all(posts.map(judgePost));
      const { name, version } = model.identity;
      const { classes } = model.info;
      return {
        model_name: name,
        model_version: version,
        ...(id === undefined ? {} : { id }),
        outputs: outputs.map((output) => tensorOf(output, judgments, classes)),
      };
    });
  }
}

/**
 * Takes a body without a type for JSON, which is what clients of Triton send.
 * @throws RequestError (unsupported-media-type) for tensors that are not JSON, before the body is read
 */
export function assertJsonTensors({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): void {
  if (!isOfProtocol(url)) return;
  if (headers['inference-header-content-length'] === undefined) headers['content-type'] ??= 'application/json';
  else throw notJson('its extension for binary data', 'send tensors as JSON (tritonclient: binary_data=False)');
}

function notJson(received: string, remedy: string) {
  return refuse('unsupported-media-type', 'The request', 'tensors of type application/json', received, remedy);
}

const modelPaths = (rest: string): string[] => [`/v2/models/:name${rest}`, `/v2/models/:name/versions/:version${rest}`];

/** @throws RequestError (not-found) */
function assertModel(judge: ReloadableJudge, { name, version }: NamedModel): void {
  const own = judge.current.identity;
  const refused = (expected: string, received: string): Error => refuse('not-found', 'The request', expected, excerpt(received), 'GET /v1/model names it'); // prettier-ignore
  if (name !== own.name) throw refused(`the model ${own.name}`, name);
  if (version !== undefined && version !== own.version) throw refused(`version ${own.version} of the model`, version);
}

function metadataOf(judge: ReloadableJudge): z.infer<typeof metadataSchema> {
  const { identity, info } = judge.current;
  const { classes, engine } = info;
  return {
    name: identity.name,
    versions: [identity.version],
    platform: `drf_${engine}`,
    inputs: MODALITIES.map((name) => ({ name, datatype: 'BYTES', shape: [-1] })),
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, classes.length], parameters: { classes: JSON.stringify(classes) } },
      ...(['quality', 'intact'] as const).map((name) => ({ name, datatype: 'FP32', shape: [-1, MODALITIES.length], parameters: { columns: JSON.stringify(MODALITIES), unknown: UNKNOWN } })),
    ],
  }; // prettier-ignore
}

function tensorOf(name: OutputName, judgments: readonly Judgment[], classes: readonly string[]): OutputTensor {
  const n = judgments.length;
  if (name === 'label') return { name, datatype: 'BYTES', shape: [n], data: judgments.map(({ label }) => label) };
  if (name === 'probabilities') {
    const data = judgments.flatMap(({ probabilities }) => classes.map((each) => probabilities[each] as number));
    return { name, datatype: 'FP32', shape: [n, classes.length], parameters: { classes: JSON.stringify(classes) }, data };
  }
  const data = judgments.flatMap((judgment) => MODALITIES.map((modality) => judgment[name][modality] ?? UNKNOWN));
  return { name, datatype: 'FP32', shape: [n, MODALITIES.length], data };
} // prettier-ignore

interface InferenceRead {
  readonly id: string | undefined;
  readonly outputs: readonly OutputName[];
  readonly posts: readonly ReceivedPost[];
}

/** Reads posts from tensors. */
class InferenceReader {
  private readonly schema: ReturnType<typeof inferenceSchema>;
  private readonly reader: PostReader;

  constructor(private readonly limits: ServiceLimits) {
    this.schema = inferenceSchema(limits);
    this.reader = new PostReader(limits);
  }

  /** @throws RequestError (bad-post, text-too-long, bad-image) naming the input or the element */
  read(value: unknown): InferenceRead {
    const { id, inputs, outputs = [] } = checked(this.schema, value, 'The request');
    const names = outputs.map(({ name }) => name);
    if (new Set(names).size < names.length) throw wrong('The request, outputs', 'each output once', 'one twice');
    return { id, outputs: names.length === 0 ? OUTPUTS : names, posts: this.posts(inputs) };
  }

  private posts(inputs: readonly InputTensor[]): readonly ReceivedPost[] {
    const columns = new Map<Modality, readonly string[]>();
    for (const input of inputs) {
      if (columns.has(input.name)) throw wrong('The request, inputs', 'each input once', `${input.name} twice`);
      columns.set(input.name, this.column(input));
    }
    const lengths = new Set([...columns.values()].map((column) => column.length));
    const [count] = lengths;
    if (count === undefined) throw wrong('The request, inputs', 'text, image, or both', 'none');
    if (lengths.size > 1) throw wrong('The request, inputs', 'as many texts as images', [...lengths].join(' and '));
    const cell = (name: Modality, i: number): string | null => columns.get(name)?.[i] ?? null;
    return Array.from({ length: count }, (_, i) =>
      this.reader.read({ text: cell('text', i), image: cell('image', i) }, `Post ${i} of the request`),
    );
  }

  private column({ name, shape, data }: InputTensor): readonly string[] {
    const subject = `The request, input ${name}`;
    const [count, width = 1] = shape;
    const { batchPosts } = this.limits;
    if (count === undefined || shape.length > 2 || width !== 1 || count < 1 || count > batchPosts) {
      throw wrong(subject, `shape [n] or [n, 1] with n from 1 to ${batchPosts}`, `[${shape.join(', ')}]`);
    }
    const flat = data.flat();
    if (flat.length !== count) throw wrong(subject, `${count} elements, as its shape says`, String(flat.length));
    const other = data.findIndex((row) => Array.isArray(row) && (shape.length < 2 || row.length !== 1));
    if (other < 0) return flat;
    const expected = shape.length < 2 ? 'a list of texts, as its shape says' : 'rows of one element, as its shape says';
    throw wrong(subject, expected, `another list within it, as element ${other}`);
  }
}

function wrong(subject: string, expected: string, received: string) {
  return refuse('bad-post', subject, expected, received, SAY);
}

function protocolResponses(answer: z.ZodType, problems: readonly number[]): object {
  return responses(answer, problems, 'application/json', {
    'application/json': { schema: jsonSchema(protocolErrorSchema) },
  });
}
