import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { clientOf, Holdings, shareOf, type BodyLease } from './admission.js';
import { checked, emptyBody, PostReader, readForm, type ReceivedPost } from './bodies.js';
import { refuse } from './errors.js';
import { MODEL_VERSION_HEADER } from './judging.js';
import type { ServiceLimits } from './limits.js';
import type { ReloadableJudge } from './reloadable-judge.js';
import { jsonBody, responses } from './routes.js';
import { formSchema, identitySchema, jsonSchema, judgmentSchema, postSchema } from './schemas.js';
import { requestSpan } from './tracing.js';
import { answerDeadline, FairLimit, type Work } from './work.js';

/** Most parts of a text, and most rows or columns of an image, that a client may ask for. */
const MOST_WORDS = 60;
const MOST_CELLS = 10;

/** What is asked beside the post. */
const askedSchema = z.strictObject({
  label: z.string().max(1_000).optional().meta({ description: 'The class to explain; left out: the most probable one.' }), // prettier-ignore
  words: z.int().min(0).max(MOST_WORDS).optional().meta({ description: 'Most parts that the text is cut into; default 40, 0: none.' }), // prettier-ignore
  grid: z
    .int()
    .min(1)
    .max(MOST_CELLS)
    .optional()
    .meta({ description: 'Rows, and columns, that the image is cut into; default 7.' }),
});

const changeSchema = z
  .strictObject({
    probability: z.number().meta({ description: 'The label’s probability as judged, less that without the part.' }),
    logOdds: z.number().meta({ description: 'The same in log odds.' }),
  })
  .meta({ description: 'Above 0, the part speaks for the label; below 0, against it.' });
const edge = z.number().min(0).max(1);

/** What `POST /v1/explain` answers. */
const explanationSchema = z
  .strictObject({
    label: z.string().meta({ description: 'The class that is explained.' }),
    judgment: judgmentSchema,
    words: z
      .array(z.strictObject({ word: z.string(), start: z.int(), end: z.int(), change: changeSchema }))
      .meta({ description: 'In the order of the text; start and end in UTF-16 units.' }),
    regions: z
      .array(z.strictObject({ left: edge, top: edge, right: edge, bottom: edge, change: changeSchema }))
      .meta({ description: 'Row by row from the top left; edges are shares of width and height.' }),
    modalities: z
      .strictObject({ image: changeSchema.nullable(), text: changeSchema.nullable() })
      .meta({ description: 'The whole image, or text, left out; null where it is missing, or all there is.' }),
    notes: z.array(z.string()).meta({ description: 'What this shows and what not; for people.' }),
    model: identitySchema,
  })
  .meta({ title: 'Explanation' });
type ExplanationAnswer = z.infer<typeof explanationSchema>;

const PROBLEMS = [401, 408, 413, 415, 422, 429, 501, 503, 504];

interface ExplainRoute {
  readonly judge: ReloadableJudge;
  readonly work: Work;
  readonly limits: ServiceLimits;
}

/**
 * `POST /v1/explain`: which words and which parts of the image moved the answer. One explanation asks for some sixty
 * judgments, so few are taken on, one is computed at a time, and each of its judgments, as many at once as the judge does
 * best, stands in the line like any other: posts that are only judged come between them, or are judged beside them.
 */
export function addExplainRoute(app: FastifyInstance, { judge: judges, work, limits }: ExplainRoute): void {
  const reader = new PostReader(limits);
  const line = new ExplanationLine(limits);
  const post = postSchema(limits);
  const body = z.strictObject({ ...post.shape, ...askedSchema.shape }).meta({ ...post.meta(), title: 'ExplainedPost' });
  const form = { 'multipart/form-data': { schema: jsonSchema(formSchema(limits)) } };
  const { content } = jsonBody(body) as { readonly content: object };
  const schema = {
    summary: 'Says which words and which parts of the image moved the answer, by leaving them out one at a time',
    tags: ['explain'],
    body: { required: true, content: { ...content, ...form } },
    response: responses(explanationSchema, PROBLEMS),
  };
  app.post('/v1/explain', { schema }, async (request, reply): Promise<ExplanationAnswer> => {
    const { post, asked } = await receive(request);
    const client = clientOf(request.ip);
    const leave = line.enter(client);
    const model = judges.current;
    const deadline = answerDeadline(reply.raw, limits.explainMilliseconds);
    const span = requestSpan(request);
    try {
      const { signal } = deadline;
      const task = { model, onStage: span?.onStage };
      const working = line.turn
        .run(client, () => work.explain(client, post, { ...asked, signal }, task))
        .finally(leave);
      request.bodyLease?.until(working);
      const { judgment, words, regions, ...rest } = await deadline.race(working);
      reply.header(MODEL_VERSION_HEADER, model.identity.version);
      span?.setModel(model.identity);
      return { ...rest, judgment, words: [...words], regions: [...regions], notes: [...rest.notes], model: model.identity }; // prettier-ignore
    } finally {
      deadline.release();
    }
  });

  async function receive(request: FastifyRequest): Promise<{ post: ReceivedPost; asked: Asked }> {
    const lease = request.bodyLease as BodyLease;
    if (request.isMultipart()) return { post: reader.readForm(await lease.reading(readForm(request, lease))), asked: {} }; // prettier-ignore
    if (request.body === undefined) throw emptyBody();
    if (typeof request.body !== 'object' || request.body === null || Array.isArray(request.body)) {
      return { post: reader.read(request.body), asked: {} }; // which says what is wrong
    }
    const { label, words, grid, ...rest } = request.body as Readonly<Record<string, unknown>>;
    const given = Object.entries({ label, words, grid }).filter(([, value]) => value !== undefined);
    return {
      post: reader.read(rest),
      asked: askedOf(checked(askedSchema, Object.fromEntries(given), 'The explanation')),
    };
  }
}

/** What an explanation is asked for, as `explainContent` takes it. */
interface Asked {
  readonly label?: string;
  readonly words?: number;
  readonly grid?: readonly [number, number];
}

function askedOf({ label, words, grid }: z.infer<typeof askedSchema>): Asked {
  return { label, words, ...(grid === undefined ? {} : { grid: [grid, grid] }) };
}

/** Explanations that are accepted and not yet answered: few, and fewer of one client. */
class ExplanationLine {
  /** One at a time. */
  readonly turn = new FairLimit(() => 1);
  private held = 0;
  private readonly clients = new Holdings();

  constructor(private readonly limits: Pick<ServiceLimits, 'explanations' | 'clientShare'>) {}

  /**
   * Takes a place.
   * @returns what gives it back
   * @throws RequestError (busy, client-busy) when there is none
   */
  enter(client: string): () => void {
    const { explanations, clientShare } = this.limits;
    const own = shareOf(explanations, clientShare, 1);
    if (this.held >= explanations) throw noPlace('busy', explanations);
    if (this.clients.of(client) >= own) throw noPlace('client-busy', own);
    this.held += 1;
    this.clients.add(client, 1);
    return () => {
      this.held -= 1;
      this.clients.add(client, -1);
    };
  }
}

function noPlace(code: 'busy' | 'client-busy', limit: number) {
  return refuse(
    code,
    'The service',
    `at most ${limit} explanations at once${code === 'busy' ? '' : ' of one client'}`,
    'one more',
    'try again when Retry-After has passed',
  );
}
