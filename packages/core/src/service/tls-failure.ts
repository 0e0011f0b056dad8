/** Where a person names the files: as `RABBITMQ_URL` or as `DATABASE_URL` calls them. */
export interface TlsFileNames {
  /** `cacertfile`, `sslrootcert` */
  readonly ca: string
  /** `certfile and keyfile`, `sslcert and sslkey` */
  readonly client: string
}

// Codes of OpenSSL as Node hands them on: https://nodejs.org/api/tls.html#x509-certificate-error-codes.
const UNTRUSTED =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE)|CERT_(UNTRUSTED|REJECTED|SIGNATURE_FAILURE|CHAIN_TOO_LONG)|INVALID_(CA|PURPOSE))$/
// Alerts with which the server ends the handshake because of what this client showed, or did not.
const CLIENT_REFUSED =
  /^ERR_SSL_\S+_ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_\w+|UNSUPPORTED_CERTIFICATE|NO_CERTIFICATE|DECRYPT_ERROR|HANDSHAKE_FAILURE|ACCESS_DENIED)$/
const NOT_TLS = /^(EPROTO|ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL|HTTP_REQUEST))$/
const FILE_UNUSABLE = /^ERR_(OSSL_|CRYPTO_)/

/**
 * What is wrong with certificates, keys or their files, and what to do about it: a sentence without its beginning and its full stop.
 * `undefined` for every other failure. All of them need a person.
 */
export function tlsFailure(error: unknown, files: TlsFileNames): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code = '', syscall, path } = error as NodeJS.ErrnoException
  if (syscall === 'open' && path !== undefined) {
    return `the file ${path} cannot be read (${code}). Correct its name (${files.ca}, ${files.client}), or let this user read it`
  }
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired. Renew it, or set the clock of this machine'
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet. Look at the clocks of both machines'
  if (code === 'CERT_REVOKED') return 'its certificate was revoked. Give it another'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for another name (${error.message}). Use a name that it is for, or a certificate for this one`
  }
  if (UNTRUSTED.test(code)) {
    return `its certificate is not signed by an authority that is trusted here (${code}). Name the file with the certificate of that authority as ${files.ca}`
  }
  if (CLIENT_REFUSED.test(code)) {
    return `it refuses the certificate of this client, or misses one (${code}). Name a certificate that it trusts as ${files.client}`
  }
  if (NOT_TLS.test(code) || error.message.startsWith('The server does not support SSL'))
    return 'it does not speak TLS there. Correct the port, or switch TLS on in the server'
  if (FILE_UNUSABLE.test(code)) {
    return `a certificate or a key is unusable (${error.message}). The files named as ${files.ca} and ${files.client} must be PEM, and the key that of the certificate`
  }
  return undefined
}
