// Judges by an exported model, in a thread of its own.
/// <reference types="vite/client" />
import { openExport, type BrowserJudge } from '@drf/judge/browser';
import module from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import binary from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { messageOf } from './connection.js';
import type { Answer, Request } from './judges.js';

const send = (answer: Answer): void => postMessage(answer);
let judge: BrowserJudge | undefined;

async function load({ card, folder, headers }: Request & { readonly kind: 'load' }): Promise<void> {
  try {
    const onProgress = (bytes: number, total: number): void => send({ kind: 'loading', bytes, total });
    judge = await openExport(folder, { card, headers, onProgress, runtime: runtimeFiles });
    send({ kind: 'ready' });
  } catch (error) {
    send({ kind: 'failed', message: messageOf(error) });
  }
}

async function answer({ id, content }: Request & { readonly kind: 'judge' }): Promise<void> {
  try {
    if (judge === undefined) throw new Error('The model is not loaded.');
    send({ kind: 'judged', id, judgment: await judge.judge(content) });
  } catch (error) {
    send({ kind: 'failed', id, message: messageOf(error) });
  }
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.kind === 'load') void load(data);
  else void answer(data);
});

/** Addresses of ONNX Runtime's own files, which it loads by itself (its threads load the module again). */
const runtimeFiles = { mjs: new URL(module, import.meta.url).href, wasm: new URL(binary, import.meta.url).href };
