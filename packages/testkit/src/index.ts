export { createScriptedChain } from './chain/scripted-chain.ts'

export type { ScriptedChain, ScriptedChainOptions, ScriptedFailure, ScriptedRequest } from './chain/scripted-chain.ts'
