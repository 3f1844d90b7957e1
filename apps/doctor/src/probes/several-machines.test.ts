import { describe, expect, it } from 'vitest';
import { fakeMachine, output, programs } from '../testing/fake-machine.js';
import { probeRay } from './ray.js';
import { probeSlurm } from './slurm.js';

describe('Ray', () => {
  const named = fakeMachine({ environment: { RAY_API_SERVER_ADDRESS: 'https://head:8265' } });

  it('is asked only where a cluster is named', async () => {
    const asked: string[] = [];
    const ask = (address: string): Promise<string> => {
      asked.push(address);
      return Promise.resolve('2.60.0');
    };
    expect(await probeRay(fakeMachine(), ask)).toMatchObject([{ mark: 'absent', found: 'no cluster named' }]);
    expect(await probeRay(fakeMachine({ environment: { RAY_ADDRESS: 'auto' } }), ask)).toMatchObject([
      { mark: 'absent' },
    ]);
    expect(await probeRay(named, ask)).toMatchObject([{ mark: 'good', found: '2.60.0 at rays://head:8265' }]);
    const plain = fakeMachine({ environment: { RAY_ADDRESS: 'http://head:8265' } });
    expect(await probeRay(plain, ask)).toMatchObject([{ mark: 'good', found: '2.60.0 at ray://head:8265' }]);
    expect(asked).toEqual(['rays://head:8265', 'ray://head:8265']);
  });

  it('says why a cluster is not usable', async () => {
    const unreachable = fakeMachine({ environment: { RAY_API_SERVER_ADDRESS: 'http://127.0.0.1:1' } });
    const [finding] = await probeRay(unreachable);
    expect(finding).toMatchObject({ mark: 'warning', found: 'not usable at ray://127.0.0.1:1' });
    expect(finding?.advice).toContain('ECONNREFUSED');
  });
});

describe('Slurm', () => {
  it('is found, missing, or silent', async () => {
    const up = output('Slurmctld(primary) at u1 is UP\n');
    expect(await probeSlurm(fakeMachine({ run: programs({ scontrol: up }) }))).toMatchObject([
      { mark: 'good', found: 'Slurmctld(primary) at u1 is UP' },
    ]);
    expect(await probeSlurm(fakeMachine())).toMatchObject([{ mark: 'absent' }]);
    const down = output('Slurmctld(primary) at u1 is DOWN\n');
    expect(await probeSlurm(fakeMachine({ run: programs({ scontrol: down }) }))).toMatchObject([
      { mark: 'warning', found: 'Slurmctld(primary) at u1 is DOWN' },
    ]);
    const lost = { code: 1, stdout: '', stderr: 'scontrol: fatal: Could not establish a configuration source\n' };
    expect(await probeSlurm(fakeMachine({ run: programs({ scontrol: { ...lost, missing: false } }) }))).toMatchObject([
      { mark: 'warning', found: 'scontrol: fatal: Could not establish a configuration source' },
    ]);
  });
});
