// The laboratory in which work on several machines is tried: node lab/scale/main.mjs COMMAND. Needs a build.
import { parseArgs } from 'node:util';

const text = { type: 'string' };
const integer = text;
const place = { install: text, out: text, keep: { type: 'boolean' } };

/** An experiment of the laboratory, in a folder that is there for it alone. */
const experiment = (module, name, what, options) => ({
  what: `${what} [--install FOLDER] [--out FOLDER] [--keep]`,
  options: { ...place, ...options },
  async perform({ values: { out, keep, ...values }, positionals }) {
    const [{ inLaboratory }, own] = await Promise.all([import('./laboratory.mjs'), import(module)]);
    await inLaboratory({ out, keep }, (laboratory) => own[name](laboratory, values, positionals));
  },
});

const quick = { type: 'boolean' };

/** By name: what it does, its options, and the module that does it. */
const COMMANDS = {
  posts: {
    what: 'COUNT --out FOLDER|s3://BUCKET/PREFIX [--formats parquet,jsonl,jsonl.gz,csv,tar] [--per-file 5000] [--from FOLDER] [--seed 1]',
    options: { out: place.out, formats: { type: 'string', default: 'parquet' }, from: text, seed: { ...integer, default: '1' }, 'per-file': { ...integer, default: '5000' }, 'row-group': { ...integer, default: '250' }, distinct: { ...integer, default: '2000' } }, // prettier-ignore
    async perform({ values, positionals: [count] }) {
      const [{ makePosts, FORMATS }, { openStorage }] = await Promise.all([
        import('./posts.mjs'),
        import('@drf/storage'),
      ]);
      const formats = values.formats.split(',');
      const wrong = formats.find((format) => !FORMATS.includes(format));
      if (!(Number(count) > 0) || values.out === undefined || wrong)
        throw new UsageError(wrong && `no such format: ${wrong}`);
      const begun = Date.now();
      const made = await makePosts(await openStorage(values.out), {
        count: Number(count),
        seed: Number(values.seed),
        formats,
        perFile: Number(values['per-file']),
        rowGroup: Number(values['row-group']),
        distinct: Number(values.distinct),
        from: values.from,
      });
      for (const [format, { posts, files, bytes }] of Object.entries(made)) {
        const megabytes = (bytes / 1e6).toFixed(1);
        console.log(`${format}: ${posts} posts, ${files} ${files === 1 ? 'file' : 'files'}, ${megabytes} MB`);
      }
      console.log(`${((Date.now() - begun) / 1000).toFixed(1)} s`);
    },
  },
  hosts: experiment(
    './stay.mjs',
    'hosts',
    'COMMAND …: runs it on the first of three hosts; without one, stays until Ctrl-C',
  ),
  servers: experiment('./stay.mjs', 'servers', ': Ray over three hosts and an S3 server, until Ctrl-C'),
  grid: experiment('./grid.mjs', 'grid', '[--quick] [--seeds 0-11] [--cable SECONDS]', {
    quick,
    seeds: text,
    cable: integer,
  }),
  score: experiment(
    './score.mjs',
    'score',
    '[--quick] [--posts N] [--per-file N] [--shard N] [--run RUN] [--ways local1,local2,ray]',
    { quick, posts: integer, 'per-file': integer, shard: integer, run: text, ways: text },
  ),
  listing: experiment('./listing.mjs', 'listing', '[--keys 100000]', { keys: integer }),
  reading: experiment('./reading.mjs', 'reading', '[--posts 20000] [--shard POSTS]', {
    posts: integer,
    shard: integer,
  }),
  'bad-input': experiment('./bad-input.mjs', 'badInput', '[--only PART-OF-A-NAME]', { only: text }),
  check: experiment('./check.mjs', 'check', '[--long]: all of these in their quick forms', { long: quick }),
  billion: {
    what: '[--posts 1e9] [--processes 10,100,500] [--svg FILE] and every figure that goes in',
    async options() {
      const { BILLION } = await import('./billion.mjs');
      return { ...Object.fromEntries(Object.keys(BILLION).map((name) => [name, text])), svg: text };
    },
    async perform({ values: { svg, ...given } }) {
      await (await import('./billion.mjs')).billion(given, { svg });
    },
  },
};

class UsageError extends Error {}

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
const usage = () =>
  `usage: pnpm scale COMMAND\n${Object.entries(COMMANDS).map(([own, { what }]) => `  ${own} ${what}\n`).join('')}`; // prettier-ignore
if (command === undefined) {
  process.stderr.write(usage());
  process.exit(name === undefined || /^(-h|--help|help)$/.test(name) ? 0 : 2);
}
if (args.some((word) => word === '--help' || word === '-h')) {
  process.stdout.write(`usage: pnpm scale ${name} ${command.what}\n`);
  process.exit(0);
}
try {
  const options = typeof command.options === 'function' ? await command.options() : command.options;
  await command.perform(parseArgs({ args, options, allowPositionals: true }));
  process.exit(0); // whatever a server of an experiment still holds open
} catch (error) {
  const isUsage = error instanceof UsageError || String(error.code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(
    `${error.message || 'the arguments are not as they should be'}\n${isUsage ? `usage: pnpm scale ${name} ${command.what}\n` : ''}`,
  );
  const { MissingTool, SKIPPED } = await import('./tools.mjs');
  process.exit(isUsage ? 2 : error instanceof MissingTool ? SKIPPED : 1);
}
