// Who signs in, on which device, and the token for it.

import { readToken, serverUrl } from '../address';
import { askToken } from '../admission';
import { tabSecret } from '../store';
import type { Account } from './phone';

/** The room that a guest's token names: tokens for guests always name one. */
const GUEST_ROOM = 'calls';

/** The account that a link's token speaks for. */
export function accountOf(token: string, page: URL): Account {
  const { identity = '', name = '' } = readToken(token) ?? {};

  return { ...basics(page), me: { identity, name: name || identity }, token: () => token };
}

/** A guest's account: the same name is the same person, on every device. */
export async function guestAccount(name: string, page: URL): Promise<Account> {
  const identity = guestIdentity(name);
  const ask = () => askToken(new URL('/token', page.origin), identity, GUEST_ROOM, name);
  let first: string | null = await ask();
  // Later connections need a token that is still good.
  const token = () => {
    const held = first;
    first = null;

    return held ?? ask();
  };

  return { ...basics(page), me: { identity, name }, token };
}

/** What a guest is called by: the name, whatever its case and script. */
export function guestIdentity(name: string): string {
  return name.normalize('NFKC').toLowerCase().replace(/\s+/g, '-');
}

function basics(page: URL) {
  return { url: `${serverUrl(page)}/calls`, device: tabSecret('millrace.device') };
}
