// Works that are measured, each in a process of its own (`measured.mjs`): nothing is loaded here that one of them can do without.
import { readFile, writeFile } from 'node:fs/promises';
import { openStorage } from '@drf/storage';

const decoding = { width: 224, height: 224, fit: 'stretch', maximumPixels: 1e8 };

/** By name; each loads and opens what it works with, and returns the work. */
export const WORKS = {
  /** Lists all that a location holds. */
  async list(location) {
    const storage = await openStorage(location);
    return async () => {
      let keys = 0;
      for (const listed = storage.list()[Symbol.asyncIterator](); !(await listed.next()).done;) keys++;
      return { keys };
    };
  },
  /** Cuts what a location holds into shards of about so many rows, and writes the plan into a file. */
  async plan(location, rowsPerShard, file) {
    const { planShards } = await import('@drf/datasets');
    const { storage, read } = counted(await openStorage(location));
    return async () => {
      const plan = await planShards(storage, { rowsPerShard: Number(rowsPerShard) });
      await writeFile(file, JSON.stringify(plan));
      return { rows: plan.rows, shards: plan.shards.length, read: read() };
    };
  },
  /** Reads shards of a plan, up to but not including `end`, and decodes their images. */
  async read(file, start, end) {
    const { readShard } = await import('@drf/datasets');
    const plan = JSON.parse(await readFile(file, 'utf8'));
    const { storage, read } = counted(await openStorage(plan.location));
    return async () => {
      let [rows, refused] = [0, 0];
      for (let shard = Number(start); shard < Number(end); shard++) {
        for await (const row of readShard(storage, plan, shard, { decoding })) {
          rows++;
          if ('error' in row) refused++;
        }
      }
      return { rows, refused, read: read() };
    };
  },
};

/** The same storage, with the bytes of files that were read of it so far. */
function counted(storage) {
  let bytes = 0;
  const count = (chunk) => ((bytes += chunk.length), chunk);
  const open = async (...which) => {
    const file = await storage.open(...which);
    return {
      ...file,
      read: async (start, end) => count(await file.read(start, end)),
      async *stream(start, end) {
        for await (const chunk of file.stream(start, end)) yield count(chunk);
      },
    };
  };
  const { location, folder } = storage;
  return { storage: { location, folder, open, list: (below) => storage.list(below) }, read: () => bytes };
}
