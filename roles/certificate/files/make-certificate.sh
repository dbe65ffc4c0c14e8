#!/bin/sh
# The site's own authority, and a certificate of it for one name: make-certificate.sh FOLDER NAME
#
# What is there is kept, unless it is for another name or ends within 30 days. Says "made" when it made one.
set -eu
umask 077
command -v openssl >/dev/null || { echo "the program openssl is not on this machine: install it, or name a certificate (public_certificate)" >&2; exit 1; }
folder=$1 name=$2
mkdir -p "$folder" && cd "$folder"
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
if [ ! -s ca.pem ] || [ ! -s ca.key ]; then
    # shellcheck disable=SC2086 # several words
    openssl req -x509 $key -days 3650 -subj "/CN=Authority of the site" -keyout ca.key -out ca.pem \
        -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
    rm -f public.pem
fi
case $name in
*[!0-9.]*) kind=DNS look=-checkhost ;;
*) kind=IP look=-checkip ;;
esac
if [ -s public.pem ] && openssl x509 -in public.pem -noout -checkend 2592000 >/dev/null &&
    openssl x509 -in public.pem -noout $look "$name" | grep -q 'does match'; then
    exit 0
fi
# shellcheck disable=SC2086
openssl req $key -subj "/CN=$name" -keyout part.key -out part.csr 2>/dev/null
printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=%s:%s\n' "$kind" "$name" > part.ext
openssl x509 -req -in part.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 398 -extfile part.ext -out part.crt 2>/dev/null
cat part.crt part.key > public.pem
rm -f part.key part.csr part.crt part.ext
echo made
