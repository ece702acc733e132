// The types of `/calls.js`.
export * from './calls/index.js';
