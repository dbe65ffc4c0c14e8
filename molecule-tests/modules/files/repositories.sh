#!/bin/sh
# Makes git repositories below the folder $1.
set -eu
mkdir -p "$1"; cd "$1"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com HOME=/root
git config --global --replace-all safe.directory '*'
git init -q -b main tree
cd tree
echo 1 > file; git add file; git commit -qm 1; git tag -a v1 -m v1
git checkout -qb topic; echo t > topic; git add topic; git commit -qm topic
git checkout -q main; echo 2 > file; git commit -qam 2
git checkout -q --detach; echo 7 > pull; git add pull; git commit -qm pull; seven=$(git rev-parse HEAD)
git checkout -q main
cd ..
git clone -q --bare tree main.git
git -C tree push -q ../main.git "$seven:refs/pull/7"
echo "$seven" > seven
git -C main.git update-server-info
ln -sfn "$1" ../www/git
git clone -q main.git clone-old
git -C clone-old reset -q --hard v1
echo mine > clone-old/file
git init -q -b main super
git -C super -c protocol.file.allow=always submodule --quiet add "$1/main.git" sub
git -C super commit -qm super
git clone -q --bare super super.git
git init -q -b main signed
echo s > signed/file
git -C signed add file
git -C signed -c user.signingkey=good@example.com commit -qS -m signed
git clone -q --bare signed signed.git
ssh-keygen -q -t ed25519 -N '' -f key
# The host's own SSH server takes no other keys than the lab's.
mkdir -p /run/sshd
printf 'Port 2022\nListenAddress 127.0.0.1\nHostKey %s/key\nAuthorizedKeysFile %s/key.pub\nStrictModes no\n' "$1" "$1" > sshd.conf
systemd-run -q --unit mod-sshd /usr/sbin/sshd -D -f "$1/sshd.conf"
systemd-run -q --unit mod-git-daemon --setenv=HOME=/root git daemon --reuseaddr --listen=127.0.0.1 --base-path="$1" --export-all
touch ready
