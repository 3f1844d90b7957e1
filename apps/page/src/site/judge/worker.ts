import type { PostContent } from '@drf/predict';
import { messageOf } from '../page-error.js';
import { ExportedModel } from './exported-model.js';
import type { Answer, Request } from './messages.js';

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(answer: Answer): void;
};
let model: ExportedModel | undefined;

async function load(request: Request & { readonly kind: 'load' }): Promise<void> {
  try {
    const onProgress = (bytes: number, total: number): void => scope.postMessage({ kind: 'loading', bytes, total });
    model = await ExportedModel.load(request, onProgress);
    scope.postMessage({ kind: 'ready' });
  } catch (error) {
    scope.postMessage({ kind: 'failed', message: messageOf(error) });
  }
}

async function judge(id: number, content: PostContent): Promise<void> {
  try {
    if (model === undefined) throw new Error('The model is not loaded.');
    scope.postMessage({ kind: 'judged', id, judgment: await model.judge(content) });
  } catch (error) {
    scope.postMessage({ kind: 'failed', id, message: messageOf(error) });
  }
}

scope.onmessage = ({ data }) => {
  if (data.kind === 'load') void load(data);
  else void judge(data.id, data.content);
};
