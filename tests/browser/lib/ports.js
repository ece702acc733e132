// Free ports on loopback.

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Finds a port that is free for TCP and UDP on 127.0.0.1. */
export async function freePort() {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = await tcpPort();
    if (await udpFree(port)) return port;
  }
  throw new Error('no port is free for TCP and UDP');
}

function tcpPort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function udpFree(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
