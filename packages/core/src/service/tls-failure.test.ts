import { describe, expect, it } from 'vitest'

import { tlsFailure } from './tls-failure.ts'

const FILES = { ca: 'cacertfile', client: 'certfile and keyfile' }
const failed = (code: string, more: object = {}) => Object.assign(new Error(`failed with ${code}`), { code, ...more })

describe('tlsFailure', () => {
  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'not signed by an authority that is trusted here'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'as cacertfile'],
    ['CERT_HAS_EXPIRED', 'has expired'],
    ['CERT_NOT_YET_VALID', 'clocks'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'for another name'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'as certfile and keyfile'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'refuses the certificate of this client'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'refuses the certificate of this client'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS'],
    ['ERR_OSSL_X509_KEY_VALUES_MISMATCH', 'must be PEM'],
  ])('says what %s means and what to do', (code, says) => {
    expect(tlsFailure(failed(code), FILES)).toContain(says)
  })

  it('names the file that cannot be read', () => {
    expect(tlsFailure(failed('EACCES', { syscall: 'open', path: '/certs/ca.pem' }), FILES)).toContain(
      'the file /certs/ca.pem cannot be read (EACCES)',
    )
  })

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ERR_TLS_HANDSHAKE_TIMEOUT', '28P01'])(
    'leaves %s to others: time may heal it, or it is none of TLS',
    (code) => {
      expect(tlsFailure(failed(code), FILES)).toBeUndefined()
    },
  )

  it('knows nothing of what is no error', () => {
    expect(tlsFailure('CERT_HAS_EXPIRED', FILES)).toBeUndefined()
  })
})
