/** A post as the duplicate report sees it: hashes of its content, `null` where a modality is missing. */
export interface HashedPost {
  readonly id: string;
  /** Split that it is in, or `null`. */
  readonly split: string | null;
  /** Class name. */
  readonly label: string;
  readonly text: string | null;
  readonly image: string | null;
}

/** Posts that share the same content exactly. */
export interface DuplicateGroup {
  readonly members: readonly { readonly id: string; readonly split: string | null; readonly label: string }[];
  /** Whether the members have different labels. */
  readonly labelsDiffer: boolean;
}

/** How many posts of one split have content that also stands in another. */
export interface SplitOverlap {
  readonly split: string;
  readonly other: string;
  readonly posts: number;
  /** Posts in `split`, for the share. */
  readonly of: number;
}

/** Contents that several posts share. */
export interface ContentDuplicates {
  /** Groups of two or more, largest first. */
  readonly groups: readonly DuplicateGroup[];
  /** Posts beyond the first of each group. */
  readonly surplus: number;
  /** For every ordered pair of splits. */
  readonly overlaps: readonly SplitOverlap[];
}

/** Exact duplicates within and across splits, of texts, images and whole posts. */
export interface DuplicateReport {
  readonly texts: ContentDuplicates;
  readonly images: ContentDuplicates;
  /** Posts whose text and image both are the same. */
  readonly posts: ContentDuplicates;
  /** Ids that stand in more than one split. */
  readonly sharedIds: readonly string[];
}

/** Finds exact duplicates of texts (as decoded), of images (byte for byte) and of whole posts, within and across splits. */
export function findDuplicates(posts: readonly HashedPost[]): DuplicateReport {
  const splits = [...new Set(posts.flatMap((post) => post.split ?? []))];
  const both = ({ text, image }: HashedPost): string | null =>
    text === null || image === null ? null : `${text} ${image}`;
  return {
    texts: groupBy(posts, splits, (post) => post.text),
    images: groupBy(posts, splits, (post) => post.image),
    posts: groupBy(posts, splits, both),
    sharedIds: sharedIds(posts),
  };
}

type Key = (post: HashedPost) => string | null;

function groupBy(posts: readonly HashedPost[], splits: readonly string[], keyOf: Key): ContentDuplicates {
  const byKey = new Map<string, HashedPost[]>();
  for (const post of posts) {
    const key = keyOf(post);
    if (key === null) continue;
    const group = byKey.get(key);
    if (group === undefined) byKey.set(key, [post]);
    else group.push(post);
  }
  const repeated = [...byKey.values()].filter((group) => new Set(group.map((post) => post.id)).size > 1);
  const groups = repeated.map(describeGroup).sort((a, b) => b.members.length - a.members.length);
  const surplus = groups.reduce((sum, group) => sum + group.members.length - 1, 0);
  return { groups, surplus, overlaps: overlaps(posts, splits, keyOf) };
}

function describeGroup(group: readonly HashedPost[]): DuplicateGroup {
  const members = group.map(({ id, split, label }) => ({ id, split, label }));
  return { members, labelsDiffer: new Set(members.map((member) => member.label)).size > 1 };
}

function overlaps(posts: readonly HashedPost[], splits: readonly string[], keyOf: Key): SplitOverlap[] {
  const keysOf = (split: string): (string | null)[] => posts.filter((post) => post.split === split).map(keyOf);
  return splits.flatMap((split) =>
    splits
      .filter((other) => other !== split)
      .map((other) => {
        const own = keysOf(split);
        const others = new Set(keysOf(other));
        return { split, other, posts: own.filter((key) => key !== null && others.has(key)).length, of: own.length };
      }),
  );
}

function sharedIds(posts: readonly HashedPost[]): string[] {
  const splitOf = new Map<string, string | null>();
  const shared = new Set<string>();
  for (const { id, split } of posts) {
    if (splitOf.has(id) && splitOf.get(id) !== split) shared.add(id);
    splitOf.set(id, split);
  }
  return [...shared];
}
