// Frames on their way: numbered, kept until they are answered, and sent again after a resume.

import { type Answer, CallsError, type Requests } from './messages.js';

/**
 * Most frames without an answer. The server keeps as many answers: a frame that is sent again is
 * answered as it was, and not carried out twice.
 */
export const UNANSWERED_MAX = 64;

/** Most frames on their way at once; the others follow as the answers come. */
export const UNDER_WAY_MAX = 16;

interface Letter {
  type: string;
  body: object;
  /** Whether this session may have brought it to the server. */
  sent: boolean;
  /** Whether it went out on this connection. */
  out: boolean;
  resolve: (answer: object) => void;
  reject: (error: CallsError) => void;
}

/** What the server answers to the frame `re`. */
export interface Reply {
  type: 'ok' | 'error';
  re: number;
  [member: string]: unknown;
}

/** The frames of one session, in order. Ids begin at 1 and never skip. */
export class Mail {
  private letters = new Map<number, Letter>();
  private last = 0;

  /** Keeps a frame until it is answered. */
  post<K extends keyof Requests>(type: K, body: Requests[K]): Promise<Answer<K>> {
    if (this.letters.size >= UNANSWERED_MAX) {
      return Promise.reject(new CallsError('offline', 'too many frames wait for the server'));
    }
    this.last += 1;
    const id = this.last;
    const answer = new Promise<object>((resolve, reject) => {
      this.letters.set(id, { type, body, sent: false, out: false, resolve, reject });
    });

    return answer as Promise<Answer<K>>;
  }

  /** The frames that go out now. */
  due(): string[] {
    // Answers may come in any order, frames go in theirs: what went out lies in front.
    const next = [...this.letters].slice(0, UNDER_WAY_MAX).filter(([, letter]) => !letter.out);

    return next.map(([id, letter]) => {
      letter.sent = letter.out = true;

      return JSON.stringify({ type: letter.type, id, ...letter.body });
    });
  }

  /** Hands an answer to whoever waits for it; one that nobody waits for is left out. */
  answer({ type, re, ...rest }: Reply): void {
    const letter = this.letters.get(re);
    if (!letter) return;

    this.letters.delete(re);
    if (type === 'ok') letter.resolve(rest);
    else letter.reject(readError(rest));
  }

  /** The session goes on: everything without an answer goes out again, under its old id. */
  resume(): void {
    for (const letter of this.letters.values()) letter.out = false;
  }

  /**
   * A new session: nobody knows whether what was sent was carried out, so it fails; what was not
   * sent yet goes out with new ids.
   */
  renew(): void {
    const before = [...this.letters.values()];
    this.letters = new Map();
    this.last = 0;
    for (const letter of before) {
      if (letter.sent) letter.reject(new CallsError('lost', 'the session was lost on the way'));
      else this.letters.set(++this.last, letter);
    }
  }

  /** Fails all that wait: there will be no answers. */
  fail(code: string, message: string): void {
    for (const letter of this.letters.values()) letter.reject(new CallsError(code, message));
    this.letters.clear();
  }
}

function readError(rest: Record<string, unknown>): CallsError {
  const { code, message, field, retry_after_ms } = rest;

  return new CallsError(
    String(code ?? 'failed'),
    String(message ?? ''),
    typeof field === 'string' ? field : undefined,
    typeof retry_after_ms === 'number' ? retry_after_ms : undefined,
  );
}
