# A mirror of one Python, as uv reads it: an archive and a list of downloads, on port 8000. Run as root in a container of the stack,
# which it spoils; what it fetches is the next Debian's. That Python wants a newer C library than the stack has, so it brings its own.
set -euo pipefail
machine=$(uname -m)
series=3.13

find /etc/apt -name '*.list' -o -name '*.sources' | xargs sed -i 's/bookworm/trixie/g'
mkdir -p /srv/packages /srv/root /srv/mirror /srv/python/bin /srv/python/lib/own
cd /srv/packages
apt-get -qq -o Acquire::Retries=3 update
apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root download \
    python$series-minimal libpython$series-minimal libpython$series-stdlib libc6 libbz2-1.0 libexpat1 libffi8 liblzma5 \
    libmpdec4 libsqlite3-0 libssl3t64 libuuid1 libzstd1 zlib1g
for package in *.deb; do dpkg-deb --extract "$package" /srv/root; done

cp -a /srv/root/usr/lib/python$series /srv/python/lib/
# Into /etc, where they lead nowhere.
find /srv/python/lib -xtype l -delete
cp -a /srv/root/usr/lib/"$machine"-linux-gnu/*.so* /srv/python/lib/own/
cp /srv/root/usr/bin/python$series /srv/python/bin/python$series.own
loader=$(cd /srv/python/lib/own && ls ld-linux-*.so.*)
cat >/srv/python/bin/python$series <<END
#!/bin/sh
home=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")
exec "\$home/lib/own/$loader" --library-path "\$home/lib/own" --argv0 "\$0" "\$home/bin/python$series.own" "\$@"
END
chmod 755 /srv/python/bin/python$series

version=$(/srv/python/bin/python$series -c 'import platform; print(platform.python_version())')
archive=cpython-$version-$machine.tar.gz
tar --directory /srv -c python | gzip -1 >"/srv/mirror/$archive"
cat >/srv/downloads.json <<END
{"cpython-$version-linux-$machine-gnu": {"name": "cpython", "arch": {"family": "$machine", "variant": null}, "os": "linux",
 "libc": "gnu", "major": 3, "minor": ${series#3.}, "patch": ${version##*.}, "prerelease": "", "variant": null, "build": null,
 "url": "http://$(hostname -i):8000/$archive", "sha256": "$(sha256sum "/srv/mirror/$archive" | cut -d' ' -f1)"}}
END
mv /srv/downloads.json /srv/mirror/
exec python3 -m http.server --directory /srv/mirror 8000
