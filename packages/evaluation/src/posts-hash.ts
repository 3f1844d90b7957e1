import type { PostRecord } from '@drf/datasets';
import { contentHash } from '@drf/files';

/** Equal for equal posts in equal order, with equal labels: only such evaluations may be compared post by post. */
export function postsHash(records: readonly Pick<PostRecord, 'id' | 'label'>[]): string {
  return contentHash(...records.flatMap(({ id, label }) => [id, String(label)]));
}
