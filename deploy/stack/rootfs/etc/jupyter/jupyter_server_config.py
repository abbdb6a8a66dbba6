# Server settings of the image; a command line or a user's own configuration overrides them.
import os
import stat
import subprocess

from jupyter_core.paths import jupyter_data_dir

c = get_config()  # noqa: F821
c.ServerApp.ip = ""  # every address, IPv4 and IPv6
c.ServerApp.open_browser = False
# A session's files are gone with it; a trash folder would only fill its disk.
c.FileContentsManager.delete_to_trash = False

if "GEN_CERT" in os.environ:
    folder = jupyter_data_dir()
    os.makedirs(folder, exist_ok=True)
    certificate = os.path.join(folder, "notebook.pem")
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-days", "365", "-nodes", "-x509", "-subj", "/CN=localhost"]
        + ["-keyout", certificate, "-out", certificate],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    os.chmod(certificate, stat.S_IRUSR | stat.S_IWUSR)
    c.ServerApp.certfile = certificate

if "NB_UMASK" in os.environ:
    os.umask(int(os.environ["NB_UMASK"], 8))
