//! The control plane's driver: HTTP, WebSocket, tokens, the relay's control socket.
