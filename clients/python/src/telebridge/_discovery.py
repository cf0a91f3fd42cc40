"""Where the server is: one URL, or nothing at all on the machine that it runs on.

With ``TELEBRIDGE_URL`` (and ``TELEBRIDGE_TOKEN``, or ``?token=`` in it) the server is asked for its gRPC addresses;
without it, its unix socket stands in its data directory.
"""

from __future__ import annotations

import ipaddress
import json
import os
import pathlib
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

_ASK_TIMEOUT_S = 2.0
# A socket address holds 107 bytes of path.
_SOCKET_PATH_BYTES_MAX = 100


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
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_ASK_TIMEOUT_S) as response:
            answer: Dict[str, Any] = json.loads(response.read(1 << 20))
    except urllib.error.HTTPError as error:
        hint = " (is TELEBRIDGE_TOKEN the server's?)" if error.code in (401, 403) else ""
        raise ServerAway(f"{where} answers {error.code}{hint}") from None
    except (OSError, ValueError) as error:
        raise ServerAway(f"{where}: {error}") from None
    return _choose(where, host, token, answer.get("grpc") or {})


def _choose(where: str, host: str, token: str, grpc: Dict[str, Any]) -> Address:
    socket = grpc.get("unixSocket")
    if socket and is_loopback(host) and _is_own_socket(socket):
        return _local(socket)
    metadata = (("authorization", f"Bearer {token}"),)
    if is_loopback(host):
        if not grpc.get("port"):
            raise ServerAway(f"{where} says no gRPC port")
        return Address(f"127.0.0.1:{grpc['port']}", metadata, None, (("grpc.enable_http_proxy", 0),))
    remote = grpc.get("remote")
    if not remote:
        raise ServerAway(f"{where} takes no rows from other machines: it needs --grpc-host")
    certificate = remote.get("certificatePem")
    return Address(f"{host}:{remote['port']}", metadata, certificate.encode() if certificate else None, ())


def _local(path: str) -> Address:
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES_MAX:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)  # kept, as the address names it
        path = f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    return Address(f"unix:{path}", (), None, ())


def _is_own_socket(path: str) -> bool:
    try:
        return os.stat(path).st_uid == os.getuid()
    except OSError:
        return False


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
