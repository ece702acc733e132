// The client of `/calls`, served as an ES module at `/calls.js`, with its types beside it.

export * from './client.js';
export { UNANSWERED_MAX, UNDER_WAY_MAX } from './mail.js';
export * from './messages.js';
