import { TokenNeeded } from '../judge/connection.js';
import { byId } from './dom.js';

/**
 * Tries without a token, and asks the reader for one as long as the service wants it. It is kept by this page alone, for
 * as long as it is open.
 */
export async function askForToken<T>(open: (token: string | null) => Promise<T>): Promise<T> {
  const form = byId<HTMLFormElement>('token-form');
  const input = byId<HTMLInputElement>('token');
  for (let token: string | null = null; ;) {
    try {
      const opened = await open(token);
      form.hidden = true;
      return opened;
    } catch (error) {
      if (!(error instanceof TokenNeeded)) throw error;
      byId('token-error').textContent = token === null ? '' : error.message;
      byId('token-error').hidden = token === null;
      form.hidden = false;
      input.focus();
      token = await submitted(form, input);
    }
  }
}

function submitted(form: HTMLFormElement, input: HTMLInputElement): Promise<string> {
  return new Promise((resolve) => {
    const onSubmit = (event: Event): void => {
      event.preventDefault();
      resolve(input.value.trim());
    };
    form.addEventListener('submit', onSubmit, { once: true });
  });
}
