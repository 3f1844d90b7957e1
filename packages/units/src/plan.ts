import { resolve } from 'node:path';
import { bytesHash, type Storage } from '@drf/files';
import { isObjectLocation, openStorage } from '@drf/storage';
import { ConfigurationError, DataError, isDrfError, refuser } from '@drf/tensor';
import type { Plan, PublishedPlan, Unit, UnitResources } from './contract.js';

const FORMAT = 1;
const MOST_PLAN_BYTES = 512 * 2 ** 20;
const NAME = /^(?:(.*)\/)?plans\/([0-9a-f]{64})\.json$/s;

/**
 * Writes a plan as `plans/HASH.json` into the storage that its units' outputs go to. A plan that lies there is left as it
 * is: the same plan always has the same name.
 * @throws ConfigurationError for units that share an output, lead out of the storage, or ask for what no machine has
 */
export async function publishPlan(storage: Storage, plan: Plan): Promise<PublishedPlan> {
  const problem = problemOf(plan);
  if (problem !== undefined) throw refuser(ConfigurationError, `Plan of kind "${plan.kind}"`)(...problem);
  const { kind, code, resources, settings, units } = plan;
  const text = canonicalJson({ format: FORMAT, kind, code, resources, settings, units });
  const hash = bytesHash(text);
  const path = `plans/${hash}.json`;
  await storage.write(path, text, { ifAbsent: true });
  return { kind, code, resources, settings, units, hash, storage, location: `${storage.location}/${path}` };
}

/**
 * Reads a plan that was published, and opens the storage that it lies in.
 * @param location of `plans/HASH.json`: a path, or `s3://…`
 * @throws DataError when it is not there, its content is not its name's hash, or its format is another one;
 *   UnavailableError when the storage does not answer
 */
export async function readPlan(location: string): Promise<PublishedPlan> {
  const refuse = refuser(DataError, `Plan ${location}`);
  const whole = isObjectLocation(location) ? location : resolve(location);
  const [, root = '', hash = ''] = NAME.exec(whole.replaceAll('\\', '/')) ?? [];
  if (hash === '')
    throw refuse('a file plans/HASH.json', 'another name', 'give the path that the plan was published at');
  const storage = await openStorage(root === '' ? '/' : root);
  const file = await storage.open(`plans/${hash}.json`);
  if (file.bytes > MOST_PLAN_BYTES) throw refuse(`at most ${MOST_PLAN_BYTES} bytes`, `${file.bytes}`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.stream()) chunks.push(chunk);
  const text = Buffer.concat(chunks);
  const remedy = 'publish the plan again; one that is published is never changed';
  const found = bytesHash(text);
  if (found !== hash) throw refuse('content with the hash that its name says', `content with ${found}`, remedy);
  const content = parse(text.toString('utf8'));
  if (content?.format !== FORMAT) {
    const received = content?.format === undefined ? 'another file' : `format ${JSON.stringify(content.format)}`;
    throw refuse(`a plan of format ${FORMAT}`, received, 'use the version of this program that made it');
  }
  const problem = problemOf(content);
  if (problem !== undefined) throw refuse(...problem);
  const { kind, code, resources, settings, units } = content;
  return { kind, code, resources, settings, units, hash, storage, location: whole };
}

/** A unit of a plan. @throws DataError for an index that it does not have */
export function unitAt(plan: PublishedPlan, index: number): Unit {
  const unit = Number.isInteger(index) ? plan.units[index] : undefined;
  if (unit !== undefined) return unit;
  const expected =
    plan.units.length === 0 ? 'no index: it has no units' : `an index from 0 to ${plan.units.length - 1}`;
  throw refuser(DataError, `Plan ${plan.location}`)(expected, String(index));
}

/** Indices of units by stages, in the stages' order; within a stage in the plan's. */
export function byStage(plan: Plan, indices: readonly number[]): number[][] {
  const stages = new Map<number, number[]>();
  for (const index of [...indices].sort((one, other) => one - other)) {
    const { stage } = plan.units[index] as Unit;
    const others = stages.get(stage);
    if (others === undefined) stages.set(stage, [index]);
    else others.push(index);
  }
  return [...stages].sort(([one], [other]) => one - other).map(([, units]) => units);
}

/** JSON whose keys are in the order of their code units, so that equal values are equal texts. */
function canonicalJson(value: unknown): string {
  const sorted = (_: string, inner: unknown): unknown => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)));
  };
  return JSON.stringify(value, sorted);
}

type PlanFile = Plan & { readonly format: unknown };

function parse(text: string): PlanFile | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as PlanFile) : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with a plan: what was expected, what came, and what to do. */
function problemOf(plan: Plan): [expected: string, received: string, remedy?: string] | undefined {
  if (typeof plan.kind !== 'string' || typeof plan.code !== 'string') return ['the names of a kind and a code', 'none'];
  const resources: Partial<UnitResources> = plan.resources ?? {};
  for (const name of ['cores', 'gpus', 'memoryBytes'] as const) {
    const value = resources[name];
    const isEnough = typeof value === 'number' && Number.isFinite(value) && (name === 'cores' ? value > 0 : value >= 0);
    if (!isEnough) return [`resources.${name} that a machine can have`, String(value), 'give a finite number'];
  }
  if (!Array.isArray(plan.units)) return ['a list of units', typeof plan.units];
  const outputs = new Set<string>();
  for (const [index, unit] of (plan.units as readonly (Unit | null)[]).entries()) {
    const { output, stage, label, address }: Partial<Unit> = unit ?? {};
    if (typeof label !== 'string' || typeof address !== 'string')
      return [`unit ${index} with label and address`, 'none'];
    if (!Number.isSafeInteger(stage) || Number(stage) < 0) return [`unit ${index} of stage 0, 1, …`, String(stage)];
    if (typeof output !== 'string' || !isInside(output)) {
      return [`an output of unit ${index} below the storage`, JSON.stringify(output), 'give a relative path with "/"'];
    }
    if (outputs.has(output)) return ['another output for each unit', `${output} twice`];
    outputs.add(output);
  }
  return undefined;
}

function isInside(path: string): boolean {
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
}

/** Whether another try may mend an error: what a machine lacks may be there on another one; what we do not know, too. */
export function mayPass(error: unknown): boolean {
  return !isDrfError(error) || isDrfError(error, 'unavailable');
}
