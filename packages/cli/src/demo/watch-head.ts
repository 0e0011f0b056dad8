/** The newest block of a Substrate chain, as its node announces it. */
export interface HeadWatch {
  /** 0 before the first. */
  readonly number: () => number
  close(): void
}

/** Follows the head of a chain, for show: when the connection is lost, the number stays what it was. */
export function watchHead(url: string): HeadWatch {
  let head = 0
  const socket = new WebSocket(url)
  socket.addEventListener('open', () => {
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'chain_subscribeNewHeads', params: [] }))
  })
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as { readonly params?: { readonly result?: { readonly number?: string } } }
    head = Number(message.params?.result?.number ?? head)
  })
  // Nothing depends on it: whether the chain answers is the scheduler's to say.
  socket.addEventListener('error', () => undefined)
  return { number: () => head, close: () => socket.close() }
}
