import { ProviderError, type ProviderErrorOptions, type ProviderFailure } from './provider-error.ts'

/** The first that fits counts: the text on rate limits speaks of keys, for one. */
const REFUSALS: readonly (readonly [pattern: RegExp, type: ProviderFailure])[] = [
  [/daily|per day|calls\/day/i, 'daily_limit'],
  [/(invalid|missing|expired|wrong|unknown)\S* api[ -]?key/i, 'key_refused'],
  [
    /api[ -]?key (is |has |was |been )*(invalid|missing|expired|wrong|unknown|disabled|blocked|revoked|not )/i,
    'key_refused',
  ],
  [/rate limit|too many requests|calls per sec|throttl/i, 'rate_limited'],
  [/chainid|not supported for this chain|unsupported chain/i, 'chain_unsupported'],
  [/window is too large|query timeout|smaller (result|block range)|block range/i, 'too_much'],
  [/timeout|busy|try again|unexpected error|temporar|maintenance/i, 'unavailable'],
]

/** What the API said in place of an answer, as an error that tells what to do about it. */
export function refusal(text: string, options: ProviderErrorOptions = {}): ProviderError {
  const [, type] = REFUSALS.find(([pattern]) => pattern.test(text)) ?? [undefined, 'refused' as const]
  return new ProviderError(type, `The API answered '${excerpt(text, 500)}'. ${ADVICE[type] ?? ''}`.trim(), options)
}

const ADVICE: Partial<Record<ProviderFailure, string>> = {
  rate_limited: 'It is asked too often with this key; someone else may be using it, too.',
  daily_limit: 'The key has used up its calls of the day, and works again after midnight UTC.',
  key_refused:
    'Set ETHERSCAN_API_KEY to a key that is valid for this API, in the environment of every worker, and start them again.',
  chain_unsupported: 'Ask for a chain that the API has and the plan of the key includes, or use the provider rpc.',
  refused: 'Check ETHERSCAN_API_URL: it must be an API like https://api.etherscan.io/v2/api.',
}

/** The beginning of a text, without the word at its end that is cut: half a key would not be recognised as one when keys are removed. */
export function excerpt(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).replace(/[^\s"'&=?/:,]*$/, '')}…`
}
