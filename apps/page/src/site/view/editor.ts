import type { PostContent } from '@drf/judge';
import { MODALITIES, type Modality } from '@drf/tensor';
import { drawImage, EMPTY_POST, type PostState } from '../content.js';
import { byId, html } from './dom.js';

/** What the reader does. */
interface EditorEvents {
  onChange(change: Partial<PostState>): void;
  onFile(file: Blob): void;
  onRestore(): void;
}

/** The part of the page where a post is made and corrupted. */
export class Editor {
  private state = EMPTY_POST;

  constructor(private readonly events: EditorEvents) {
    for (const modality of MODALITIES) this.listenTo(modality);
    byId<HTMLTextAreaElement>('text').addEventListener('input', ({ target }) => {
      events.onChange({ text: (target as HTMLTextAreaElement).value });
    });
    byId('redraw').addEventListener('click', () => events.onChange({ seed: this.state.seed + 1 }));
    byId('restore').addEventListener('click', () => events.onRestore());
    this.takeFiles();
  }

  private listenTo(modality: Modality): void {
    byId(`${modality}-on`).addEventListener('change', ({ target }) => {
      const isOn = { ...this.state.isOn, [modality]: (target as HTMLInputElement).checked };
      this.events.onChange({ isOn });
    });
    byId(`${modality}-fraction`).addEventListener('input', ({ target }) => {
      const value = Number((target as HTMLInputElement).value) / 100;
      this.events.onChange({ fraction: { ...this.state.fraction, [modality]: value } });
    });
  }

  private takeFiles(): void {
    const input = byId<HTMLInputElement>('image-file');
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      if (file !== undefined) this.events.onFile(file);
      input.value = ''; // so that the same file can be chosen again
    });
    const drop = byId('drop');
    document.addEventListener('dragover', (event) => {
      event.preventDefault(); // a file that misses its place must not replace the page
      drop.classList.add('over');
    });
    document.addEventListener('dragleave', (event) => event.relatedTarget === null && drop.classList.remove('over'));
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      drop.classList.remove('over');
      this.take(event.dataTransfer);
    });
    document.addEventListener('paste', (event) => {
      if (this.take(event.clipboardData)) event.preventDefault();
    });
  }

  private take(transfer: DataTransfer | null): boolean {
    const file = transfer?.files[0];
    if (file !== undefined) this.events.onFile(file);
    return file !== undefined;
  }

  setLongestText(characters: number): void {
    byId<HTMLTextAreaElement>('text').maxLength = characters;
  }

  /** Says why an image was not taken; an empty text takes it back. */
  showImageError(message: string): void {
    byId('image-error').textContent = message;
    byId('image-error').hidden = message === '';
  }

  /** @param content what the model reads of the state */
  show(state: PostState, content: PostContent, maskToken: string): void {
    this.state = state;
    for (const modality of MODALITIES) {
      byId<HTMLInputElement>(`${modality}-on`).checked = state.isOn[modality];
      byId(`${modality}-part`).classList.toggle('off', !state.isOn[modality]);
      const per = Math.round(100 * state.fraction[modality]);
      byId<HTMLInputElement>(`${modality}-fraction`).value = String(per);
      byId(`${modality}-fraction-value`).textContent = `${per} %`;
      byId<HTMLInputElement>(`${modality}-fraction`).disabled = !state.isOn[modality];
      byId(`${modality}-fraction`).setAttribute('aria-valuetext', `${per} per cent`);
    }
    byId('seed').textContent = String(state.seed);
    const text = byId<HTMLTextAreaElement>('text');
    if (text.value !== state.text) text.value = state.text;
    this.showImage(state, content);
    this.showText(state, content, maskToken);
  }

  private showImage({ image, fraction }: PostState, content: PostContent): void {
    const canvas = byId<HTMLCanvasElement>('preview');
    const shown = content.image ?? image;
    canvas.hidden = shown === null;
    if (shown !== null) drawImage(canvas, shown);
    const per = Math.round(100 * fraction.image);
    canvas.setAttribute('aria-label', per === 0 ? 'The image, as the model reads it' : `The image with ${per} per cent of its pixels black`); // prettier-ignore
  }

  private showText({ fraction }: PostState, { text }: PostContent, maskToken: string): void {
    const read = byId('text-read');
    read.hidden = text === null || fraction.text === 0;
    if (read.hidden || text === null) return;
    const parts = text.split(maskToken);
    read.replaceChildren(...parts.flatMap((part, i) => (i === 0 ? [part] : [html('mark', {}, maskToken), part])));
  }
}
