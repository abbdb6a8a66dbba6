# Two packages of Debian's kind on port 8000, with their checksums in SHA256SUMS: what stands in RStudio Server's place, of which only
# the program's name, options and page are like it, and a Shiny Server that runs one application with the real Shiny. Run as root in a
# container of the stack: bash -c "$(cat r_servers.sh)".
set -euo pipefail
mkdir -p /srv/packages
cd /srv

package() { # name
    mkdir -p "$1/DEBIAN"
    printf '%s\n' "Package: $1" "Version: 1.0" "Architecture: all" "Maintainer: tests <tests@localhost>" "Depends: r-base-core" \
        "Description: stands in for $1" >"$1/DEBIAN/control"
    dpkg-deb --build --root-owner-group "$1" "/srv/packages/$1.deb"
}

mkdir -p rstudio-server/usr/lib/rstudio-server/bin
cat >rstudio-server/usr/lib/rstudio-server/bin/rserver <<'END'
#!/usr/bin/python3
import http.server, socketserver, sys
if "--help" in sys.argv:
    sys.exit(print("--www-socket --www-root-path"))
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
class Page(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "a socket"
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"the page of {self.path.partition('?')[0]} for {options['www-root-path']}".encode())
socketserver.UnixStreamServer(options["www-socket"], Page).serve_forever()
END
chmod 755 rstudio-server/usr/lib/rstudio-server/bin/rserver
package rstudio-server

mkdir -p shiny-server/usr/bin
cat >shiny-server/usr/bin/shiny-server <<'END'
#!/bin/sh
port=$(sed -n 's/^ *listen \([0-9]*\);/\1/p' "$1")
directory=$(sed -n 's/^ *site_dir \(.*\);/\1/p' "$1")
exec Rscript -e 'words <- commandArgs(TRUE); shiny::runApp(words[[1]], port = as.integer(words[[2]]))' "$directory" "$port"
END
chmod 755 shiny-server/usr/bin/shiny-server
package shiny-server

cd packages
sha256sum -- *.deb >SHA256SUMS
exec python3 -m http.server 8000
