#!/bin/sh
# Makes a certificate authority of your own, and certificates of the servers of docker-compose.tls.yml, in deploy/tls/certs.
# Run again, it keeps the authority and renews the certificates. Usage: deploy/tls/make-ca.sh [folder]
set -eu

folder=${1:-$(dirname "$0")/certs}
authority_days=3650
server_days=825

command -v openssl > /dev/null || { echo 'openssl is not installed.' >&2; exit 1; }
mkdir -p "$folder"
cd "$folder"
umask 077

if [ ! -e ca.key ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -sha256 -days "$authority_days" -subj '/CN=Blockmill authority' -out ca.pem \
    -addext 'basicConstraints=critical,CA:true' -addext 'keyUsage=critical,keyCertSign,cRLSign'
fi

# Each server has a folder of its own, so that it is given its own key alone.
for name in rabbitmq postgres; do
  mkdir -p "$name"
  openssl ecparam -name prime256v1 -genkey -noout -out "$name/key.pem"
  openssl req -new -key "$name/key.pem" -subj "/CN=$name" -out "$name/request.pem"
  {
    echo "subjectAltName=DNS:$name,DNS:localhost,IP:127.0.0.1"
    echo 'basicConstraints=critical,CA:false'
    echo 'keyUsage=critical,digitalSignature'
    echo 'extendedKeyUsage=serverAuth'
  } > "$name/extensions"
  openssl x509 -req -in "$name/request.pem" -CA ca.pem -CAkey ca.key -CAcreateserial -sha256 -days "$server_days" \
    -extfile "$name/extensions" -out "$name/cert.pem" 2> /dev/null
  rm "$name/request.pem" "$name/extensions"
  cp ca.pem "$name/ca.pem"
  # Containers run as other users; what is theirs to read is in their folder alone. Servers copy their key and narrow its mode.
  chmod 755 "$name"
  chmod 644 "$name"/*.pem
done

# The folder keeps other users of this machine away; containers are given files and folders from inside it.
chmod 700 .
chmod 644 ca.pem
echo "Certificates are in $folder. Keep ca.key somewhere else."
