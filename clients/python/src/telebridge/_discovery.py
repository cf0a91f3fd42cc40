"""Where the server is: one URL, or nothing at all on the machine that it runs on.

With ``TELEBRIDGE_URL`` (and ``TELEBRIDGE_TOKEN``, or ``?token=`` in it) the server is asked for its gRPC addresses;
without it, its unix socket stands in its data directory. ``TELEBRIDGE_CERTIFICATE`` names a PEM file that an https URL's
server may show beside what the system trusts.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import pathlib
import ssl
import stat
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

_ASK_TIMEOUT_S = 2.0
# A socket address holds 107 bytes of path.
_SOCKET_PATH_BYTES_MAX = 100
_WILDCARDS = ("0.0.0.0", "::", "[::]", "")


class ServerAway(Exception):
    """No server answers now; the message says where it was looked for."""


class Address(NamedTuple):
    """What a channel needs."""

    target: str
    metadata: Tuple[Tuple[str, str], ...]
    # PEM of the certificate that the server must show; None: no TLS.
    certificate_pem: Optional[bytes]
    options: Tuple[Tuple[str, Any], ...]


def data_dir() -> pathlib.Path:
    """Where `telebridge serve` keeps its data, as it finds it itself."""
    named = os.environ.get("TELEBRIDGE_DATA_DIR")
    if named:
        return pathlib.Path(named)
    return _xdg_dir("XDG_DATA_HOME", ".local/share") / "telebridge"


def spool_dir() -> pathlib.Path:
    """Where rows wait on disk while the server is away."""
    named = os.environ.get("TELEBRIDGE_SPOOL_DIR")
    if named:
        return pathlib.Path(named)
    return _xdg_dir("XDG_STATE_HOME", ".local/state") / "telebridge" / "spool"


def _xdg_dir(variable: str, default: str) -> pathlib.Path:
    named = os.environ.get(variable, "")
    return pathlib.Path(named) if named.startswith("/") else pathlib.Path.home() / default


def destination() -> str:
    """The server that this process sends to, by a name without secrets. Spools are sent only to their own."""
    url = os.environ.get("TELEBRIDGE_URL")
    if url:
        parts = urllib.parse.urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}"
    return str(data_dir().absolute())


def find_server() -> Address:
    """Raises ServerAway."""
    url = os.environ.get("TELEBRIDGE_URL")
    if url:
        return _ask(url)
    path = data_dir().absolute() / "ingest.sock"
    if not _is_own_socket(str(path)):
        raise ServerAway(f"there is no {path}")
    return _local(str(path))


def _ask(url: str) -> Address:
    parts = urllib.parse.urlsplit(url)
    token = urllib.parse.parse_qs(parts.query).get("token", [""])[0] or os.environ.get("TELEBRIDGE_TOKEN", "")
    where = f"{parts.scheme}://{parts.netloc}"
    host = parts.hostname or "127.0.0.1"
    request = urllib.request.Request(f"{where}/api/endpoints", headers={"authorization": f"Bearer {token}"})
    handlers: List[Any] = []
    if is_loopback(host):
        handlers.append(urllib.request.ProxyHandler({}))
    if parts.scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=_trusted()))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_ASK_TIMEOUT_S) as response:
            answer: Dict[str, Any] = json.loads(response.read(1 << 20))
    except urllib.error.HTTPError as error:
        hint = " (is TELEBRIDGE_TOKEN the server's?)" if error.code in (401, 403) else ""
        raise ServerAway(f"{where} answers {error.code}{hint}") from None
    except (OSError, ValueError) as error:
        hint = ""
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            hint = " (TELEBRIDGE_CERTIFICATE names a PEM file to trust)"
        raise ServerAway(f"{where}: {getattr(error, 'reason', error)}{hint}") from None
    return _choose(where, host, token, answer.get("grpc") or {})


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificate = os.environ.get("TELEBRIDGE_CERTIFICATE")
    if certificate:
        try:
            context.load_verify_locations(certificate)
        except OSError as error:
            raise ServerAway(f"cannot read TELEBRIDGE_CERTIFICATE {certificate}: {error}") from None
    return context


def _choose(where: str, host: str, token: str, grpc: Dict[str, Any]) -> Address:
    socket = grpc.get("unixSocket")
    if socket and _is_own_socket(socket):
        return _local(socket)
    metadata = (("authorization", f"Bearer {token}"),)
    if is_loopback(host):
        if not grpc.get("port"):
            raise ServerAway(f"{where} says no gRPC port")
        return Address(f"127.0.0.1:{grpc['port']}", metadata, None, (("grpc.enable_http_proxy", 0),))
    remote = grpc.get("remote")
    if not remote:
        raise ServerAway(f"{where} takes no rows from other machines: it needs --grpc-host")
    # An address that stands for all of the server's is reached by the name that the URL has.
    at_host = host if remote["host"] in _WILDCARDS else remote["host"].strip("[]")
    target = f"[{at_host}]:{remote['port']}" if ":" in at_host else f"{at_host}:{remote['port']}"
    options = (("grpc.ssl_target_name_override", host),)
    return Address(target, metadata, remote["certificatePem"].encode(), options)


def _local(path: str) -> Address:
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES_MAX:
        path = f"/proc/self/fd/{_kept_directory(os.path.dirname(path))}/{os.path.basename(path)}"
    return Address(f"unix:{path}", (), None, ())


@functools.lru_cache(maxsize=None)
def _kept_directory(path: str) -> int:
    """A descriptor that stays open, since the address names it."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY)


def _is_own_socket(path: str) -> bool:
    """Somebody else's socket under that name would get the rows."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid()


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
