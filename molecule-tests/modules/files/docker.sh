#!/bin/sh
# Makes images, containers and a registry with a password, with the client; files below the folder $1.
set -eu
mkdir -p "$1/build"; cd "$1"
docker import /var/cache/ocplay/base.tar mod-base:1 > /dev/null
docker tag mod-base:1 mod-gone:1
docker tag mod-base:1 mod-unwanted:1
docker save mod-base:1 -o base.tar
printf 'FROM mod-base:1\nARG WORD\nRUN echo $WORD > /word\nLABEL made=yes\n' > build/Dockerfile
docker tag mod-base:1 mod-loaded:1; docker save mod-loaded:1 -o loaded.tar; docker rmi mod-loaded:1 > /dev/null
docker volume create mod-gone > /dev/null
docker network create --subnet 192.0.2.64/27 mod-gone > /dev/null
docker run -d --name mod-gone mod-base:1 sleep infinity > /dev/null
docker run -d --name mod-other --env A=1 mod-base:1 sleep infinity > /dev/null
htpasswd -Bbc htpasswd ada opensesame 2> /dev/null
cat > registry.yml <<EOF
version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: $1/registry } }
http: { addr: "127.0.0.1:5055" }
auth: { htpasswd: { realm: x, path: $1/htpasswd } }
EOF
cat > /etc/systemd/system/mod-registry.service <<EOF
[Service]
ExecStart=/usr/bin/docker-registry serve $1/registry.yml
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload; systemctl enable -q --now mod-registry
for try in 1 2 3 4 5 6 7 8 9 10; do curl -s -o /dev/null http://127.0.0.1:5055/v2/ && break; sleep 1; done
echo opensesame | docker --config /root/mod-docker login -u ada --password-stdin 127.0.0.1:5055 2> /dev/null > /dev/null
docker tag mod-base:1 127.0.0.1:5055/pulled:1
docker --config /root/mod-docker push -q 127.0.0.1:5055/pulled:1 > /dev/null
docker rmi 127.0.0.1:5055/pulled:1 > /dev/null
