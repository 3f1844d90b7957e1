import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { PROJECTIONS } from '../names.js';
import { projectToPlane } from './charts.js';

/** Three well-separated clusters, one row after the other, with some rows twice. */
function clusters(count: number): Float32Array[] {
  const random = createRandom(4);
  const rows = Array.from({ length: count }, (_, i) =>
    Float32Array.from({ length: 12 }, (_, j) => random.normal() + (j % 3 === i % 3 ? 8 : 0)),
  );
  return [...rows.slice(0, -3), ...rows.slice(0, 3)];
}

describe.each(PROJECTIONS)('projectToPlane by %s', (projection) => {
  const rows = clusters(60);
  const plane = projectToPlane(rows, projection, 1) ?? expect.fail('no layout');

  it('keeps together what is near', () => {
    expect(plane).toHaveLength(60);
    const distance = (i: number, j: number): number =>
      Math.hypot(...([0, 1] as const).map((axis) => (plane[i]?.[axis] as number) - (plane[j]?.[axis] as number)));
    const nearest = plane.map((_, i) =>
      [...plane.keys()].filter((j) => j !== i).reduce((best, j) => (distance(i, j) < distance(i, best) ? j : best)),
    );
    expect(nearest.filter((j, i) => i % 3 === j % 3).length).toBeGreaterThan(57);
  });

  it('is the same from the same seed, and another from another', () => {
    expect(projectToPlane(rows, projection, 1)).toEqual(plane);
    expect(projectToPlane(rows, projection, 2)).not.toEqual(plane);
  });

  it('takes few rows', () => {
    expect(projectToPlane(clusters(8), projection, 1)).toHaveLength(8);
  });
});
