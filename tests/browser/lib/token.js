// Access tokens in LiveKit's format, made here so that the server's own maker is not its judge.

import { createHmac } from 'node:crypto';

const DEVELOPMENT = { name: 'devkey', secret: 'secret-for-development-only-0123456789' };

/** Signs a token for a room; `change` overwrites claims, `key` the API key. */
export function signToken(identity, room, change = {}, key = DEVELOPMENT) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: key.name,
    sub: identity,
    name: identity,
    nbf: now - 5,
    exp: now + 600,
    video: { roomJoin: true, room },
    ...change,
  };
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  const signature = createHmac('sha256', key.secret).update(text).digest('base64url');

  return `${text}.${signature}`;
}
