//! Which Debian package has a header, a program, a library: the ones that builds of Python and R packages most often lack.
//!
//! What is not in these tables is named without a package; nothing is guessed.

/// Headers by name, or by their directory with a `/` at its end.
const HEADERS: &[(&str, &str)] = &[
    ("Python.h", "python3-dev"),
    ("alsa/", "libasound2-dev"),
    ("attr/", "libattr1-dev"),
    ("bzlib.h", "libbz2-dev"),
    ("cairo.h", "libcairo2-dev"),
    ("cblas.h", "libopenblas-dev"),
    ("curl/", "libcurl4-openssl-dev"),
    ("ffi.h", "libffi-dev"),
    ("fftw3.h", "libfftw3-dev"),
    ("ft2build.h", "libfreetype-dev"),
    ("gdal.h", "libgdal-dev"),
    ("geos_c.h", "libgeos-dev"),
    ("gl.h", "libgl-dev"),
    ("GL/", "libgl-dev"),
    ("glpk.h", "libglpk-dev"),
    ("gmp.h", "libgmp-dev"),
    ("graphviz/", "libgraphviz-dev"),
    ("gsl/", "libgsl-dev"),
    ("hdf5.h", "libhdf5-dev"),
    ("jpeglib.h", "libjpeg-dev"),
    ("lber.h", "libldap-dev"),
    ("ldap.h", "libldap-dev"),
    ("leveldb/", "libleveldb-dev"),
    ("libpq-fe.h", "libpq-dev"),
    ("libxml/", "libxml2-dev"),
    ("libxslt/", "libxslt1-dev"),
    ("lzma.h", "liblzma-dev"),
    ("magic.h", "libmagic-dev"),
    ("mpfr.h", "libmpfr-dev"),
    ("mpi.h", "libopenmpi-dev"),
    ("my_config.h", "default-libmysqlclient-dev"),
    ("mysql.h", "default-libmysqlclient-dev"),
    ("netcdf.h", "libnetcdf-dev"),
    ("openssl/", "libssl-dev"),
    ("png.h", "libpng-dev"),
    ("portaudio.h", "portaudio19-dev"),
    ("proj.h", "libproj-dev"),
    ("pulse/", "libpulse-dev"),
    ("readline/", "libreadline-dev"),
    ("sasl/", "libsasl2-dev"),
    ("sndfile.h", "libsndfile1-dev"),
    ("spatialindex/", "libspatialindex-dev"),
    ("sql.h", "unixodbc-dev"),
    ("sqlite3.h", "libsqlite3-dev"),
    ("systemd/", "libsystemd-dev"),
    ("tiff.h", "libtiff-dev"),
    ("udunits2.h", "libudunits2-dev"),
    ("usb.h", "libusb-1.0-0-dev"),
    ("X11/", "libx11-dev"),
    ("yaml.h", "libyaml-dev"),
    ("zlib.h", "zlib1g-dev"),
    ("zmq.h", "libzmq3-dev"),
    ("zstd.h", "libzstd-dev"),
    // The C library's own: there is a compiler without it.
    ("assert.h", "libc6-dev"),
    ("errno.h", "libc6-dev"),
    ("limits.h", "libc6-dev"),
    ("math.h", "libc6-dev"),
    ("stdio.h", "libc6-dev"),
    ("stdlib.h", "libc6-dev"),
    ("string.h", "libc6-dev"),
];

const PROGRAMS: &[(&str, &str)] = &[
    ("R", "r-base-core"),
    ("Rscript", "r-base-core"),
    ("autoconf", "autoconf"),
    ("automake", "automake"),
    ("bison", "bison"),
    ("bzip2", "bzip2"),
    ("c++", "build-essential"),
    ("cargo", "cargo"),
    ("cc", "build-essential"),
    ("clang", "clang"),
    ("cmake", "cmake"),
    ("convert", "imagemagick"),
    ("curl", "curl"),
    ("curl-config", "libcurl4-openssl-dev"),
    ("dot", "graphviz"),
    ("ffmpeg", "ffmpeg"),
    ("flex", "flex"),
    ("g++", "build-essential"),
    ("gcc", "build-essential"),
    ("gdal-config", "libgdal-dev"),
    ("geos-config", "libgeos-dev"),
    ("gfortran", "gfortran"),
    ("git", "git"),
    ("git-lfs", "git-lfs"),
    ("go", "golang-go"),
    ("gs", "ghostscript"),
    ("gsl-config", "libgsl-dev"),
    ("java", "default-jre-headless"),
    ("javac", "default-jdk-headless"),
    ("jq", "jq"),
    ("krb5-config", "libkrb5-dev"),
    ("latex", "texlive-latex-base"),
    ("less", "less"),
    ("llvm-config", "llvm-dev"),
    ("lualatex", "texlive-luatex"),
    ("make", "make"),
    ("mariadb_config", "libmariadb-dev"),
    ("mpicc", "libopenmpi-dev"),
    ("mysql_config", "default-libmysqlclient-dev"),
    ("nc-config", "libnetcdf-dev"),
    ("ninja", "ninja-build"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("octave", "octave"),
    ("pandoc", "pandoc"),
    ("pdflatex", "texlive-latex-base"),
    ("pg_config", "libpq-dev"),
    ("pkg-config", "pkg-config"),
    ("proj", "proj-bin"),
    ("rsync", "rsync"),
    ("rustc", "rustc"),
    ("ssh", "openssh-client"),
    ("svn", "subversion"),
    ("swig", "swig"),
    ("tesseract", "tesseract-ocr"),
    ("tree", "tree"),
    ("unzip", "unzip"),
    ("vim", "vim"),
    ("wget", "wget"),
    ("x86_64-linux-gnu-g++", "build-essential"),
    ("x86_64-linux-gnu-gcc", "build-essential"),
    ("aarch64-linux-gnu-gcc", "build-essential"),
    ("xelatex", "texlive-xetex"),
    ("xml2-config", "libxml2-dev"),
    ("xslt-config", "libxslt1-dev"),
    ("xvfb-run", "xvfb"),
    ("xz", "xz-utils"),
    ("yarn", "yarnpkg"),
    ("zip", "zip"),
];

/// Shared libraries, without what follows `.so`: a program asks for a version, and Debian has the one it has.
const LIBRARIES: &[(&str, &str)] = &[
    ("libEGL", "libegl1"),
    ("libGL", "libgl1"),
    ("libGLU", "libglu1-mesa"),
    ("libOpenGL", "libopengl0"),
    ("libSM", "libsm6"),
    ("libX11", "libx11-6"),
    ("libXext", "libxext6"),
    ("libXrender", "libxrender1"),
    ("libasound", "libasound2"),
    ("libcairo", "libcairo2"),
    ("libcurl", "libcurl4"),
    ("libfluidsynth", "libfluidsynth3"),
    ("libfontconfig", "libfontconfig1"),
    ("libgdal", "libgdal32"),
    ("libgeos_c", "libgeos-c1v5"),
    ("libgfortran", "libgfortran5"),
    ("libglib-2.0", "libglib2.0-0"),
    ("libgomp", "libgomp1"),
    ("libgthread-2.0", "libglib2.0-0"),
    ("libhdf5", "libhdf5-103-1"),
    ("libldap", "libldap-2.5-0"),
    ("libmagic", "libmagic1"),
    ("libmpi", "libopenmpi3"),
    ("libnss3", "libnss3"),
    ("libopenblas", "libopenblas0"),
    ("libpango-1.0", "libpango-1.0-0"),
    ("libportaudio", "libportaudio2"),
    ("libpq", "libpq5"),
    ("libsndfile", "libsndfile1"),
    ("libspatialindex_c", "libspatialindex6"),
    ("libusb-1.0", "libusb-1.0-0"),
    ("libxcb", "libxcb1"),
    ("libzmq", "libzmq5"),
];

/// Modules of `pkg-config`, and what linkers are asked for with `-l`.
const MODULES: &[(&str, &str)] = &[
    ("alsa", "libasound2-dev"),
    ("blas", "libopenblas-dev"),
    ("bz2", "libbz2-dev"),
    ("cairo", "libcairo2-dev"),
    ("crypto", "libssl-dev"),
    ("curl", "libcurl4-openssl-dev"),
    ("ffi", "libffi-dev"),
    ("fftw3", "libfftw3-dev"),
    ("freetype2", "libfreetype-dev"),
    ("geos", "libgeos-dev"),
    ("gobject-introspection-1.0", "libgirepository1.0-dev"),
    ("hdf5", "libhdf5-dev"),
    ("lapack", "libopenblas-dev"),
    ("libcgraph", "libgraphviz-dev"),
    ("libcurl", "libcurl4-openssl-dev"),
    ("libffi", "libffi-dev"),
    ("libpng", "libpng-dev"),
    ("libpq", "libpq-dev"),
    ("libssl", "libssl-dev"),
    ("libxml-2.0", "libxml2-dev"),
    ("libxslt", "libxslt1-dev"),
    ("mariadb", "default-libmysqlclient-dev"),
    ("mysqlclient", "default-libmysqlclient-dev"),
    ("netcdf", "libnetcdf-dev"),
    ("openblas", "libopenblas-dev"),
    ("openssl", "libssl-dev"),
    ("pq", "libpq-dev"),
    ("proj", "libproj-dev"),
    ("pycairo", "libcairo2-dev"),
    ("sndfile", "libsndfile1-dev"),
    ("sqlite3", "libsqlite3-dev"),
    ("ssl", "libssl-dev"),
    ("udunits", "libudunits2-dev"),
    ("xml2", "libxml2-dev"),
    ("xslt", "libxslt1-dev"),
    ("z", "zlib1g-dev"),
    ("zlib", "zlib1g-dev"),
];

/// The package with a C header, named as an `#include` names it.
pub(super) fn of_header(name: &str) -> Option<&'static str> {
    let exact = find(HEADERS, name);
    exact.or_else(|| HEADERS.iter().find(|(key, _)| key.ends_with('/') && name.starts_with(key)).map(|(_, p)| *p))
}

/// The package with a program.
pub(super) fn of_program(name: &str) -> Option<&'static str> {
    find(PROGRAMS, name.rsplit('/').next().unwrap_or(name))
}

/// The package with a shared library, e.g. `libGL.so.1`.
pub(super) fn of_library(name: &str) -> Option<&'static str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    find(LIBRARIES, file.split(".so").next().unwrap_or(file))
}

/// The package with a module of `pkg-config`, or what `-l` names.
pub(super) fn of_module(name: &str) -> Option<&'static str> {
    find(MODULES, name)
}

fn find(table: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(key, _)| *key == name).map(|(_, package)| *package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_most_often_lack_is_known() {
        assert_eq!(of_header("Python.h"), Some("python3-dev"));
        assert_eq!(of_header("graphviz/cgraph.h"), Some("libgraphviz-dev"));
        assert_eq!(of_header("no/such.h"), None);
        assert_eq!(of_program("/usr/bin/pg_config"), Some("libpq-dev"));
        assert_eq!(of_library("libGL.so.1"), Some("libgl1"));
        assert_eq!(of_library("/usr/lib/libhdf5.so"), Some("libhdf5-103-1"));
        assert_eq!(of_module("libxml-2.0"), Some("libxml2-dev"));
    }

    #[test]
    fn every_package_is_one_that_debian_could_have_and_no_key_stands_twice() {
        for table in [HEADERS, PROGRAMS, LIBRARIES, MODULES] {
            let mut keys: Vec<&str> = table.iter().map(|(key, _)| *key).collect();
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), all);
            for (_, package) in table {
                let grammar = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
                assert!(package.chars().all(grammar), "{package}");
            }
        }
    }
}
