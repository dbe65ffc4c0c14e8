# A lab host: Debian with systemd as pid 1, OpenSSH, sudo and the user "deploy"; no Python, no Docker yet.
# The base image is made by debootstrap; see docs/lab.md.
ARG BASE
FROM ${BASE}
ARG KERNEL
ENV DEBIAN_FRONTEND=noninteractive

# runc is diverted before it is ever installed: when a play installs Docker, the real one lands beside the wrapper.
# apt keeps its parsed lists here, unlike in component images: a play calls it many times.
RUN sed -i '/pkgcache/d' /etc/apt/apt.conf.d/90ocplay \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
      systemd systemd-sysv dbus openssh-server sudo \
      iproute2 iptables iputils-ping kmod procps \
 && apt-get install -y --no-install-recommends --download-only \
      docker.io docker-registry curl cgroupfs-mount \
 && dpkg-divert --local --rename --divert /usr/sbin/runc.real --add /usr/sbin/runc \
 && rm -f /etc/ssh/ssh_host_* /usr/sbin/policy-rc.d /var/log/*.log /var/log/apt/* \
 && : > /etc/machine-id
COPY runc-lab.sh /usr/sbin/runc
COPY sshd.conf /etc/ssh/sshd_config.d/ocplay-lab.conf
COPY modules.builtin /lib/modules/${KERNEL}/modules.builtin

RUN useradd --create-home --shell /bin/bash deploy \
 && echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy \
 && chmod 0440 /etc/sudoers.d/deploy \
 && chmod 0755 /usr/sbin/runc \
 && touch /lib/modules/${KERNEL}/modules.order \
 && depmod -a ${KERNEL} \
 && systemctl set-default multi-user.target \
 && systemctl enable ssh.service \
 && systemctl mask getty.target console-getty.service systemd-udevd.service systemd-udevd-control.socket \
      systemd-udevd-kernel.socket systemd-udev-trigger.service systemd-logind.service systemd-timesyncd.service \
      apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer \
      systemd-firstboot.service systemd-resolved.service
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
