import { examineObjects } from '@drf/storage';
import { DrfError } from '@drf/tensor';
import { spell } from '@drf/terminal';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';

const TOPIC = 'Object storage';
/** Variables that somebody sets who means to use object storage. */
const SET_UP = /^(AWS_(ACCESS_KEY|PROFILE|ENDPOINT_URL|WEB_IDENTITY|CONTAINER_CREDENTIALS|ROLE_ARN)|DRF_TEST_S3$)/;
const SERVER_MILLISECONDS = 3000;

/**
 * Whether object storage can be used, where something says that it is meant to be. Never a problem: nothing needs it by
 * default.
 * @param location `s3://bucket/prefix`, where a small object is written and removed
 */
export async function probeObjectStorage(machine: Machine, location?: string): Promise<Finding[]> {
  const { environment } = machine;
  const isSetUp = Object.keys(environment).some((name) => SET_UP.test(name) && environment[name] !== '');
  if (!isSetUp && location === undefined) {
    const advice = `nothing needs it; to use s3://…, set AWS_ACCESS_KEY_ID and so on, then run ${spell('doctor --s3 s3://BUCKET')}`;
    return [{ topic: TOPIC, subject: 'S3', mark: 'absent', found: 'not set up', advice }];
  }
  return [...(await serverFindings(machine)), ...(await checkFindings(location))];
}

/** Whether the server that variables name answers at all; Amazon's own needs none. */
async function serverFindings({ environment, head }: Machine): Promise<Finding[]> {
  const { AWS_ENDPOINT_URL_S3: own, AWS_ENDPOINT_URL: all, DRF_TEST_S3: test } = environment;
  const subject = own || all || test;
  if (!subject) return [];
  try {
    await head(subject, SERVER_MILLISECONDS); // also when it refuses who does not say who they are
    return [{ topic: TOPIC, subject, mark: 'good', found: 'reachable' }];
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    const advice = 'start that server, or correct AWS_ENDPOINT_URL';
    return [{ topic: TOPIC, subject, mark: 'warning', found: `not reachable: ${cause.message}`, advice }];
  }
}

async function checkFindings(location: string | undefined): Promise<Finding[]> {
  try {
    return (await examineObjects(location)).map(({ what, found, error }): Finding => {
      const subject = what === 'credentials' ? what : `${what}, ${location}`;
      if (error === undefined) return { topic: TOPIC, subject, mark: 'good', found };
      return { topic: TOPIC, subject, mark: 'warning', found, advice: error.report.remedy ?? error.message };
    });
  } catch (error) {
    if (!(error instanceof DrfError)) throw error;
    const { received: found, remedy: advice = error.message } = error.report;
    return [{ topic: TOPIC, subject: location ?? 'S3', mark: 'warning', found, advice }];
  }
}
