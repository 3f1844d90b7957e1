import { wilsonInterval } from '@drf/metrics';
import { percent } from '@drf/terminal';

/**
 * An accuracy with what it rests on: "75.0 % of 12 posts (95 % interval: 46.8 to 91.1 %)", by Wilson.
 * @param posts left out or 0 where it is not known
 */
export function accuracyText(accuracy: number, posts = 0): string {
  if (posts === 0) return `${percent(accuracy)} %`;
  const { low, high } = wilsonInterval(Math.round(accuracy * posts), posts);
  const counted = `${posts} ${posts === 1 ? 'post' : 'posts'}`;
  return `${percent(accuracy)} % of ${counted} (95 % interval: ${percent(low)} to ${percent(high)} %)`;
}
