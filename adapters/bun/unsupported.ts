/** What can't be had on Bun, and why. */
export const unsupported = {
  streams: "Bun's node:http shows no descriptors; Bun sends a body of Bun.file() by sendfile itself",
  messages: "Bun's node:http shows no descriptors",
  sharedSockets: "Bun reads a socket whose peer has reset it, whoever else does",
  // Its event loop takes EPOLLERR for the end, though all that it means here is that there is a notice.
  socketNotices: "Bun closes a socket of its own whose error queue is not empty",
} as const;
