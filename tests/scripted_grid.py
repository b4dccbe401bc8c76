"""A grid's server of a test's own, as simple as one can be, that lies and fails as it is told to."""

import hashlib
import ipaddress
import json
import os
import posixpath
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from authority import Authority
from grid_storage import Storage
from support import World

HOME = "/grid/user/t/tester"
Rows = Sequence[Mapping[str, Any]]
Reply = tuple[int, str, Rows]
Answer = Callable[[list[str]], Reply | str | bytes | None]


@dataclass
class File:
    """What the catalogue has of a file."""

    size: int
    md5: str
    guid: str
    replicas: dict[str, str] = field(default_factory=dict)


class ScriptedGrid:
    """Answers stat, ls, find, access, commit and so on from memory.

    Attributes:
        files: by LFN.
        answers: by command: asked first. It gives a reply, a text that is sent as it is, bytes that are sent without
            even a frame, or ``None`` for the usual reply; an exception in it closes the connection.
        commands: all that were received.
        delay_s: before each answer.
    """

    def __init__(self, folder: Path, storages: Sequence[Storage] = ()) -> None:
        self.files: dict[str, File] = {}
        self.folders = {"/", "/grid", "/grid/user", "/grid/user/t", HOME}
        self.answers: dict[str, Answer] = {}
        self.commands: list[list[str]] = []
        self.delay_s = 0.0
        self.storages = list(storages)
        self.home = folder
        self._lock = threading.Lock()
        authority = Authority(folder)
        host = authority.issue("host", [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        self._user = authority.issue("user")
        os.chmod(self._user[1], 0o400)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*host)
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority = authority
        self._server = serve(self._handle, "127.0.0.1", 0, ssl=context, compression=None)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()

    @property
    def world(self) -> World:
        """To run the installed command in, as a user of this grid."""
        return World(self.home, {
            "TMPDIR": str(self.home), "X509_CERT_FILE": self._authority.file,
            "X509_USER_CERT": self._user[0], "X509_USER_KEY": self._user[1],
            "JALIEN_TOKEN_CERT": self._user[0], "JALIEN_TOKEN_KEY": self._user[1],
            "ALIENPY_JCENTRAL": "127.0.0.1", "ALIENPY_JCENTRAL_PORT": str(self.port),
            "ALIENPY_CONNECT_TRIES": "2", "ALIENPY_CONNECT_TRIES_INTERVAL": "0",
            "XRD_CONNECTIONRETRY": "1", "XRD_CONNECTIONWINDOW": "2", "XRD_CPRETRY": "0",
            "XRD_STREAMTIMEOUT": "3", "XRD_REQUESTTIMEOUT": "5", "XRD_TIMEOUTRESOLUTION": "1",
            "XRD_STREAMERRORWINDOW": "0",
        })  # fmt: skip

    def put(self, name: str, data: bytes, *storages: Storage) -> str:
        """Have a file, whole, at some storages; its LFN."""
        lfn = posixpath.join(HOME, name)
        guid = str(uuid.uuid4())
        file = File(len(data), hashlib.md5(data).hexdigest(), guid)
        for storage in storages or self.storages[:1]:
            storage.put(f"x/{guid}", data)
            file.replicas[storage.name] = f"/x/{guid}"
        self.files[lfn] = file
        return lfn

    def names(self) -> list[str]:
        """All files, below the home."""
        return sorted(lfn.removeprefix(HOME + "/") for lfn in self.files)

    def _handle(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for message in connection:
                asked = json.loads(message)
                words = [asked["command"], *map(str, asked["options"])]
                self.commands.append(words)
                time.sleep(self.delay_s)
                try:
                    answer = self._answer(words[0], [word for word in words[1:] if word != "-nomsg"])
                except Exception:  # noqa: BLE001  # as scripted
                    return
                if isinstance(answer, bytes):
                    connection.socket.sendall(answer)
                else:
                    connection.send(answer)

    def _answer(self, command: str, options: list[str]) -> str | bytes:
        scripted = self.answers.get(command)
        answer = scripted(options) if scripted is not None else None
        if isinstance(answer, str | bytes):
            return answer
        if answer is None:
            with self._lock:
                answer = getattr(self, "_do_" + command, lambda _: (2, "no such command", []))(options)
        code, error, rows = answer
        metadata = {"exitcode": str(code), "error": error, "user": "tester", "currentdir": HOME + "/"}
        return json.dumps({"metadata": metadata, "results": list(rows)})

    def _do_pwd(self, options: list[str]) -> Reply:
        return 0, "", [{"pwd": HOME + "/", "message": HOME + "/"}]

    def _do_cd(self, options: list[str]) -> Reply:
        return 0, "", []

    def _do_commandlist(self, options: list[str]) -> Reply:
        return 0, "", [{"commandlist": name.removeprefix("_do_")} for name in dir(self) if name.startswith("_do_")]

    def _do_stat(self, options: list[str]) -> Reply:
        lfn = options[-1]
        if lfn in self.files:
            file = self.files[lfn]
            return 0, "", [{"lfn": lfn, "type": "f", "size": str(file.size), "md5": file.md5, "guid": file.guid}]
        if lfn in self.folders:
            return 0, "", [{"lfn": lfn + "/", "type": "d"}]
        return 2, f"No such file or directory : {lfn}", []

    def _do_ls(self, options: list[str]) -> Reply:
        folder = options[-1]
        if folder not in self.folders:
            return 2, f"No such file or directory : {folder}", []
        found = [lfn for lfn in (*self.files, *self.folders) if posixpath.dirname(lfn) == folder and lfn != "/"]
        return 0, "", [{"name": posixpath.basename(lfn), "path": lfn} for lfn in sorted(found)]

    def _do_mkdir(self, options: list[str]) -> Reply:
        folder = options[-1]
        while folder not in self.folders:
            self.folders.add(folder)
            folder = posixpath.dirname(folder)
        return 0, "", []

    def _do_find(self, options: list[str]) -> Reply:
        limit, offset = int(options[options.index("-l") + 1]), int(options[options.index("-o") + 1])
        found = sorted(lfn for lfn in self.files if lfn.startswith(options[-2].rstrip("/") + "/"))
        rows = [self._do_stat([lfn])[2][0] for lfn in found[offset : offset + limit]]
        return 0, "", rows

    def _do_access(self, options: list[str]) -> Reply:
        if "write" in options:
            lfn, *specs = options[options.index("write") + 1 :]
            return self._write(lfn, specs[0] if specs else f"disk:{len(self.storages)}")
        lfn = options[options.index("read") + 1]
        if lfn not in self.files:
            return 2, f"No such file or directory : {lfn}", []
        file = self.files[lfn]
        rows = [self._row(storage, file.replicas[storage.name], file)
                for storage in self.storages if storage.name in file.replicas]  # fmt: skip
        return (0, "", rows) if rows else (77, "No read PFNs", [])

    def _write(self, lfn: str, specs: str) -> Reply:
        words = specs.split(",")
        count = sum(int(word.partition(":")[2]) for word in words if not word.startswith("!"))
        excluded = {word[1:] for word in words if word.startswith("!")}
        there = self.files.get(lfn)
        taken = there.replicas if there else {}
        file = File(0, "", there.guid if there else str(uuid.uuid4()))
        free = [storage for storage in self.storages if _se(storage) not in excluded and storage.name not in taken]
        rows = [self._row(storage, f"/y/{uuid.uuid4()}", file) for storage in free[:count]]
        return (0, "", rows) if rows else (77, "No write PFNs", [])

    def _row(self, storage: Storage, path: str, file: File) -> dict[str, str]:
        return {
            "url": f"root://127.0.0.1:{storage.port}/{path}", "envelope": "leave", "guid": file.guid,
            "se": _se(storage), "size": str(file.size), "md5": file.md5, "nSEs": "1", "tags": "disk",
        }  # fmt: skip

    def _do_commit(self, options: list[str]) -> Reply:
        _, size, lfn, _, _, url, se, guid, md5 = options
        there = self.files.setdefault(lfn, File(int(size), md5, guid))
        if there.guid != guid:
            return 53, "Nothing was registered", [{"path": lfn, "lfn": "0", "pfn": url}]
        storage = next(storage for storage in self.storages if _se(storage) == se)
        there.replicas[storage.name] = "/" + url.split("//", 2)[2]
        return 0, "", [{"path": lfn, "lfn": "1", "pfn": url}]

    def _do_whereis(self, options: list[str]) -> Reply:
        return (
            0,
            "",
            [
                {"seName": f"TEST::SITE::{name.upper()}", "pfn": path}
                for name, path in self.files[options[-1]].replicas.items()
            ],
        )

    def _do_mv(self, options: list[str]) -> Reply:
        source, target = options[-2:]
        if source not in self.files:
            return 2, f"No such file or directory : {source}", []
        if target in self.files:
            self.files[target + "_backup"] = self.files.pop(target)
        self.files[target] = self.files.pop(source)
        return 0, "", []

    def _do_rm(self, options: list[str]) -> Reply:
        return (0, "", []) if self.files.pop(options[-1], None) else (2, "No such file or directory", [])

    def _do_touch(self, options: list[str]) -> Reply:
        self.files[options[-1]] = File(0, hashlib.md5().hexdigest(), str(uuid.uuid4()))
        return 0, "", []


def _se(storage: Storage) -> str:
    return f"TEST::SITE::{storage.name.upper()}"
