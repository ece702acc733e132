// Gets the token that lets the page into a room.

/** A token, and whether anybody may get one like it. */
export interface Admission {
  token: string;
  room: string;
  open: boolean;
}

/** The server refused a token, or did not answer. */
export class AdmissionError extends Error {
  /** `status` is the HTTP status, 0 when no answer came at all. */
  constructor(
    readonly status: number,
    readonly reason: string,
  ) {
    super(reason || `no token (status ${status})`);
  }
}

/** Milliseconds to wait for a token. */
const TOKEN_TIMEOUT_MS = 10_000;

/** Asks the page's own server for a token. */
export async function askToken(
  endpoint: URL,
  identity: string,
  room: string,
  name: string,
): Promise<string> {
  const response = await ask(endpoint, JSON.stringify({ identity, room, name }));
  const text = await response.text();
  if (!response.ok) throw new AdmissionError(response.status, readReason(text));

  const token = readTokenAnswer(text);
  if (!token) throw new AdmissionError(response.status, 'the answer holds no token');

  return token;
}

/** Asks why a join was refused; `null` when the server has no objection or no answer. */
export async function askReason(endpoint: URL, token: string): Promise<AdmissionError | null> {
  try {
    endpoint.searchParams.set('access_token', token);
    const response = await fetch(endpoint, { signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS) });
    if (response.ok) return null;

    return new AdmissionError(response.status, readReason(await response.text()));
  } catch {
    return null;
  }
}

/** Finds the token in `{"token": "..."}`, or in a bare text that looks like one. */
export function readTokenAnswer(text: string): string | null {
  try {
    const answer = JSON.parse(text) as { token?: unknown };

    return typeof answer.token === 'string' ? answer.token : null;
  } catch {
    return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text.trim()) ? text.trim() : null;
  }
}

/** Finds the words in an error answer, be it plain text or JSON. */
export function readReason(text: string): string {
  try {
    const answer = JSON.parse(text) as { error?: unknown; msg?: unknown; message?: unknown };
    const reason = answer.error ?? answer.msg ?? answer.message;

    return typeof reason === 'string' ? reason : '';
  } catch {
    const plain = text.trim();

    return plain.startsWith('<') ? '' : plain.slice(0, 200);
  }
}

async function ask(endpoint: URL, body: string): Promise<Response> {
  try {
    return await fetch(endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    });
  } catch {
    throw new AdmissionError(0, '');
  }
}
