import { workerData } from 'node:worker_threads'

// Runs in a thread of its own in each child process, and ends the process when its parent is gone. The child notices that by
// itself as well, but not while a handler blocks its event loop, which would then go on for ever.

const INTERVAL_MS = 1_000

setInterval(() => {
  if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL')
}, INTERVAL_MS)
