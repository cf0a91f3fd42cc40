"""Which address of a server's the sender takes, and what it says when there is none."""

import os
import pathlib
import socket
import tempfile
import unittest

from helpers import RunTest
from telebridge import _discovery

PEM = "-----BEGIN CERTIFICATE-----"


class Choice(RunTest):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def bind(self, path: pathlib.Path) -> str:
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        return str(path)

    def test_a_socket_of_our_own_comes_first(self) -> None:
        path = self.bind(self.folder / "ingest.sock")
        found = _discovery._choose("http://gpu:1", "gpu", "secret", {"unixSocket": path, "port": 7448})
        self.assertEqual((found.target, found.metadata), (f"unix:{path}", ()))

    def test_a_file_that_is_no_socket_is_passed_over(self) -> None:
        (self.folder / "file").touch()
        answer = {"unixSocket": str(self.folder / "file"), "port": 7448}
        found = _discovery._choose("http://localhost:1", "localhost", "secret", answer)
        self.assertEqual(found.target, "127.0.0.1:7448")
        self.assertEqual(found.metadata, (("authorization", "Bearer secret"),))
        self.assertIsNone(found.certificate_pem)

    def test_a_server_on_another_machine(self) -> None:
        for host, target in [("0.0.0.0", "gpu.lan:7449"), ("10.0.0.7", "10.0.0.7:7449"), ("fd00::2", "[fd00::2]:7449")]:
            remote = {"host": host, "port": 7449, "certificatePem": PEM}
            found = _discovery._choose("https://gpu.lan:1", "gpu.lan", "secret", {"port": 7448, "remote": remote})
            self.assertEqual((found.target, found.certificate_pem), (target, PEM.encode()))
            self.assertIn(("grpc.ssl_target_name_override", "gpu.lan"), found.options)

    def test_a_server_that_takes_no_rows_from_elsewhere(self) -> None:
        with self.assertRaisesRegex(_discovery.ServerAway, "takes no rows from other machines: it needs --grpc-host"):
            _discovery._choose("http://gpu:1", "gpu", "secret", {"port": 7448, "remote": None})

    def test_a_path_too_long_for_a_socket_s_address(self) -> None:
        deep = self.folder / ("d" * 120)
        deep.mkdir()
        before = os.getcwd()
        os.chdir(deep)
        self.addCleanup(os.chdir, before)
        self.bind(pathlib.Path("ingest.sock"))
        found = _discovery._choose("http://gpu:1", "gpu", "secret", {"unixSocket": str(deep / "ingest.sock")})
        self.assertRegex(found.target, r"^unix:/proc/self/fd/\d+/ingest\.sock$")
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        with self.assertRaises(ConnectionRefusedError):  # it is the socket: nobody listens
            client.connect(found.target[len("unix:") :])

    def test_a_spool_s_destination_has_no_secret(self) -> None:
        os.environ["TELEBRIDGE_URL"] = "http://user:word@gpu:7447/?token=secret"
        self.addCleanup(os.environ.pop, "TELEBRIDGE_URL")
        self.assertEqual(_discovery.destination(), "http://gpu:7447")


if __name__ == "__main__":
    unittest.main()
