import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { readJson, resolveInside } from '@drf/files';
import { z } from 'zod';
import { responses } from './routes.js';

const exampleSchema = z.strictObject({
  id: z.string(),
  text: z.string().nullable(),
  image: z.string().nullable().meta({ description: 'A JPEG in base64.' }),
  label: z.string().meta({ description: 'What it is in truth.' }),
});
const examplesSchema = z
  .strictObject({
    builtIn: z.boolean().meta({ description: 'Whether the page’s own examples are posts like those of training.' }),
    posts: z.array(exampleSchema),
  })
  .meta({ title: 'Examples' });
/** What `GET /v1/examples` answers. */
export type ExamplesAnswer = z.infer<typeof examplesSchema>;

/** What training wrote (`@drf/experiment`, `writeExamples`). */
const fileSchema = z.object({
  format: z.literal('drf-examples-1'),
  posts: z.array(z.object({ ...exampleSchema.shape, image: z.string().regex(/^\d+\.jpg$/).nullable() })).max(100), // prettier-ignore
});

const LARGEST_FILE = 1_000_000;
const NONE: ExamplesAnswer = { builtIn: false, posts: [] };

/**
 * The example posts of a run, or of what was exported of one; none where it has none, and where they are damaged: a
 * service judges without them.
 */
export async function readExamples(folder: string): Promise<ExamplesAnswer> {
  const [config, card] = await Promise.all(['config.json', 'card.json'].map((name) => fieldsOf(join(folder, name))));
  const trainedOn = (config?.config as { readonly dataset?: { readonly name?: unknown } } | undefined)?.dataset?.name;
  const builtIn = (trainedOn ?? card?.dataset) === 'embedded';
  const parsed = fileSchema.safeParse(await fieldsOf(join(folder, 'examples', 'examples.json')));
  if (!parsed.success) return { ...NONE, builtIn };
  const posts: ExamplesAnswer['posts'] = [];
  for (const post of parsed.data.posts) {
    const image = post.image === null ? null : await readBytes(folder, join('examples', post.image));
    if (post.image === null || image !== null) posts.push({ ...post, image: image?.toString('base64') ?? null });
  }
  return { builtIn, posts };
}

type Fields = Readonly<Record<string, unknown>> | undefined;

/** The fields of a JSON file; none of one that is not there, too large or something else. */
async function fieldsOf(path: string): Promise<Fields> {
  const value = await readJson(path, LARGEST_FILE).catch(() => undefined);
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

/** Bytes of a file, by its path in the folder; null for one that is not there, too large, or outside of the folder by a link. */
async function readBytes(root: string, path: string): Promise<Buffer | null> {
  try {
    const real = await resolveInside(root, path);
    return (await stat(real)).size > LARGEST_FILE ? null : await readFile(real);
  } catch {
    return null;
  }
}

/** `GET /v1/examples`: posts to try the page on. They are of the run's own data, so the token guards them. */
export function addExamplesRoute(app: FastifyInstance, examples: ExamplesAnswer = NONE): void {
  const schema = {
    summary: 'Posts of the run’s test split to try the page on',
    tags: ['model'],
    response: responses(examplesSchema, [401]),
  };
  app.get('/v1/examples', { schema }, async () => examples);
}
