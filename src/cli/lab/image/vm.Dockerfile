# A virtual machine of the lab: the lab's host with a kernel of its own, its headers, and what builds modules for it.
# Emulated, compilers would take minutes to install; so they are here already. The kernel is unpacked, not installed:
# it is started from outside, by an initial RAM disk that knows one disk and nothing else.
ARG BASE
FROM ${BASE}
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends udev busybox-static dkms linux-headers-cloud-amd64 \
 && kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1) \
 && release=${kernel#linux-image-} \
 && mkdir /tmp/kernel && cd /tmp/kernel && apt-get download "$kernel" && dpkg -x ./*.deb . \
 && mkdir -p /boot "/usr/lib/modules/$release" \
 && cp -a "lib/modules/$release/." "/usr/lib/modules/$release/" && cp "boot/vmlinuz-$release" /boot/vmlinuz \
 && cp "boot/config-$release" /boot/ && depmod -a "$release" && rm -rf /tmp/kernel \
 && mkdir -p /tmp/ram/bin /tmp/ram/proc /tmp/ram/dev /tmp/ram/root /tmp/ram/own && cp /bin/busybox /tmp/ram/bin/ \
 && for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do \
      file=$(find "/usr/lib/modules/$release" -name "$module.ko") \
   && { [ -z "$file" ] || { cp "$file" /tmp/ram/ && echo "$module" >> /tmp/ram/order; }; } || exit 1; done \
 && rm -f /var/log/*.log /var/log/apt/*
COPY init.sh /tmp/ram/init
RUN chmod 0755 /tmp/ram/init \
 && (cd /tmp/ram && find . | busybox cpio -o -H newc 2>/dev/null | gzip > /boot/initrd) && rm -rf /tmp/ram \
 && systemctl unmask systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
      systemd-udev-trigger.service systemd-logind.service \
 && systemctl enable systemd-networkd.service \
 && ln -sf /dev/null /etc/systemd/system/serial-getty@ttyS0.service
