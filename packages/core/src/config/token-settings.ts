import { isIP } from 'node:net'

import { setting } from './setting.ts'

// What a header can carry as it is, without the comma that parts tokens.
const TOKEN = /^[\x21-\x2B\x2D-\x7E]{16,256}$/

/**
 * Secrets that open the monitor: several separated by commas, so that one can be replaced while another still works. There is no
 * command line option, because command lines can be read by everybody on a machine.
 */
function tokens(key: string, description: string) {
  return setting.custom(
    { key, description },
    {
      rule: '16 to 256 visible ASCII characters; several are separated by commas',
      parse: (text): readonly string[] | undefined => {
        const all = [...new Set(text.split(',').map((one) => one.trim()))]
        return all.every((one) => TOKEN.test(one)) ? all : undefined
      },
      mask: () => '***',
    },
  )
}

/** Who may read and change what the monitor shows, and which proxies are believed about who asks. */
export const tokenSettings = {
  viewerTokens: tokens('BLOCKMILL_VIEWER_TOKEN', 'secret of those who may look at everything that the monitor serves'),
  operatorTokens: tokens('BLOCKMILL_OPERATOR_TOKEN', 'secret of those who may also change something'),
  viewerTokenFile: setting.text({
    key: 'BLOCKMILL_VIEWER_TOKEN_FILE',
    description: "file with more of the viewers' tokens; made with a random one where there is none",
  }),
  operatorTokenFile: setting.text({
    key: 'BLOCKMILL_OPERATOR_TOKEN_FILE',
    description: "file with more of the operators' tokens; made with a random one where there is none",
  }),
  trustedProxies: setting.list({
    key: 'BLOCKMILL_TRUSTED_PROXIES',
    description: 'proxies in front of the monitor whose X-Forwarded-For is believed; none unless set',
    rule: 'addresses or networks such as 10.0.0.7 or 10.0.0.0/8, separated by commas',
    isItem: isAddressOrNetwork,
  }),
}

function isAddressOrNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  // A network of everybody would let anyone choose an address for each request.
  return bits === undefined || (/^[1-9]\d*$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}
