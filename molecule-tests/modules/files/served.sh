#!/bin/sh
# Makes keys and files for the server below the folder $1.
set -eu
cd "$1"
export HOME=/root
echo 'hello from the web' > www/files/hello.txt
(cd www/files && sha256sum hello.txt > SHA256SUMS)
for name in good bad web; do
    gpg --batch --quiet --passphrase '' --quick-gen-key "$name <$name@example.com>" rsa2048 sign never 2> /dev/null
    gpg --armor --export "$name@example.com" > "keys/$name.asc"
    gpg --list-keys --with-colons "$name@example.com" | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p' > "keys/$name.id"
done
cp keys/web.asc www/
ssh-keygen -q -t ed25519 -N '' -C web@example -f keys/web
cp keys/web.pub www/key.pub
mkdir -p packed/deep
echo packed > packed/file; echo deep > packed/deep/file; echo '#!/bin/sh' > packed/run; chmod 755 packed/run
for ending in tar tar.gz tar.bz2 tar.xz; do tar -caf "www/files/packed.$ending" packed; done
tar --zstd -cf www/files/packed.tar.zst packed
rm -f www/files/packed.zip; zip -qr www/files/packed.zip packed
