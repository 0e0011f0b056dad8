import type { ScriptedChain } from '@blockmill/testkit'

/** One of several scripted chains at a time, as if the chain, or the endpoint that answers, changed between them. */
export interface SwitchingChain {
  readonly chain: ScriptedChain
  readonly use: (chain: ScriptedChain) => void
}

export function createSwitchingChain(first: ScriptedChain): SwitchingChain {
  let current = first
  return {
    chain: new Proxy(first, { get: (_, key) => Reflect.get(current, key) as unknown }),
    use(chain) {
      current = chain
    },
  }
}
