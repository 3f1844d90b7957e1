import { byId } from './dom.js';

/** A bar for the model that is on its way. */
export function showLoading(): { progress(bytes: number, total: number): void; end(): void } {
  const bar = byId<HTMLProgressElement>('loading-bar');
  byId('loading').hidden = false;
  byId('notice').hidden = true;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
  return {
    progress(bytes, total) {
      bar.value = bytes / total;
      const words = bytes < total ? `Loading the model: ${megabytes(bytes)} of ${megabytes(total)} MB` : 'Preparing the model …'; // prettier-ignore
      byId('loading-label').textContent = words;
    },
    end() {
      byId('loading').hidden = true;
    },
  };
}
