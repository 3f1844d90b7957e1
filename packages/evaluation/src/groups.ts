import { drfForm, type ExperimentConfig } from '@drf/experiment';
import { ConfigurationError } from '@drf/tensor';
import { ablationsOf } from './paper.js';

/** A run, as far as grouping goes. */
export interface GroupMember {
  readonly path: string;
  readonly config: ExperimentConfig;
  readonly encoders: { readonly image: string; readonly text: string };
}

/** Runs that differ in nothing but their seed (and in where things lie). */
export interface Group<Member extends GroupMember> {
  /** Method, what is switched off, training disruption; and further options where two groups would be called alike. */
  readonly label: string;
  readonly members: readonly Member[];
}

/** Options that change neither the model nor what it learns, or that change from seed to seed by design. */
const IGNORED = new Set([
  'name',
  'seed',
  'dataset.root',
  'dataset.file',
  'dataset.splits',
  'dataset.trainSplit',
  'dataset.valSplit',
  'dataset.testSplit',
  'dataset.splitSizes',
  'dataset.splitSeed',
  'encoders.batchSize',
  'training.checkpointEvery',
  'training.keepCheckpoints',
]);

/**
 * Groups runs by method and everything else of their configuration but the seed, in the order given.
 * @throws ConfigurationError when two runs of a group have the same seed: they would count twice
 */
export function groupRuns<Member extends GroupMember>(members: readonly Member[]): Group<Member>[] {
  const byIdentity = new Map<string, Member[]>();
  for (const member of members) {
    const key = identityOf(member);
    byIdentity.set(key, [...(byIdentity.get(key) ?? []), member]);
  }
  const groups = [...byIdentity.values()];
  groups.forEach(assertSeedsOnce);
  return groups.map((own) => ({ label: labelOf(own, groups), members: own }));
}

/**
 * Equal for runs that differ in their seed at most.
 * @param alsoIgnored further options that may differ
 */
export function identityOf(member: GroupMember, alsoIgnored: readonly string[] = []): string {
  const options = [...optionsOf(member)].filter(([name]) => !alsoIgnored.includes(name));
  return JSON.stringify(options.sort(([first], [second]) => (first < second ? -1 : 1)));
}

function assertSeedsOnce(members: readonly GroupMember[]): void {
  for (const [index, { config, path }] of members.entries()) {
    const earlier = members.slice(0, index).find((other) => other.config.seed === config.seed);
    if (earlier === undefined) continue;
    throw new ConfigurationError({
      subject: 'eval',
      expected: 'each seed of a method once',
      received: `seed ${config.seed} in ${earlier.path} and in ${path}`,
      remedy: 'leave one of the two out',
    });
  }
}

/** The options that tell groups apart, by dotted name; those that an experiment leaves to its method as they turn out. */
function optionsOf({ config, encoders }: GroupMember): Map<string, string> {
  const options = new Map<string, string>();
  const walk = (node: object, prefix: string): void => {
    for (const [key, value] of Object.entries(node)) {
      const name = prefix + key;
      if (typeof value === 'object' && value !== null) walk(value, `${name}.`);
      else if (!IGNORED.has(name) && value !== undefined) options.set(name, String(value));
    }
  };
  walk({ ...config, model: { ...config.model, ...drfForm(config) }, encoders }, '');
  return options;
}

function labelOf(own: readonly GroupMember[], groups: readonly (readonly GroupMember[])[]): string {
  const label = baseLabel(own);
  const alike = groups.filter((other) => other !== own && baseLabel(other) === label);
  const options = optionsOf(own[0] as GroupMember);
  const differing = new Set(
    alike.flatMap((other) => {
      const others = optionsOf(other[0] as GroupMember);
      return [...new Set([...options.keys(), ...others.keys()])].filter(
        (name) => options.get(name) !== others.get(name),
      );
    }),
  );
  const extras = [...differing].sort().map((name) => `${name} ${options.get(name) ?? 'default'}`);
  return extras.length === 0 ? label : `${label}; ${extras.join(', ')}`;
}

function baseLabel([first]: readonly GroupMember[]): string {
  const { config } = first as GroupMember;
  const { disruption } = config.training;
  return [config.method, ...ablationsOf(config), ...(disruption === 'none' ? [] : [`trained on ${disruption}`])].join(
    ', ',
  );
}
