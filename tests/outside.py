"""A C2SP witness by others (torchwood's litewitness, in Go), as a process that can be killed and started again.

It takes its key from an ssh-agent and its logs from an SQLite file; both are made here.
"""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ledger import merkle, signature
from ledger import note as n

SOURCE: Final = Path(__file__).resolve().parent / "tlogcheck"
PACKAGE: Final = "filippo.io/torchwood/cmd/litewitness"
NAME: Final = "witness.example/w"
SEED: Final = sha256(b"outside witness").digest()
KEY: Final = n.VerifierKey(NAME, n.COSIGNATURE, signature.public_key(SEED))
READY_SECONDS: Final = 20
GUIDE: Final = (Path(__file__).resolve().parents[1] / "docs" / "operating.md").read_text()


def program(folder: Path) -> Path:
    """The witness's program, built; where it can't be, the tests skip, and under CI they fail."""
    trouble = "no Go or no ssh-agent on PATH"
    if shutil.which("go") and shutil.which("ssh-agent"):
        made = folder / "litewitness"
        environment = os.environ | {"CGO_ENABLED": "0"}
        command = ["go", "build", "-o", str(made), PACKAGE]
        built = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
        if built.returncode == 0:
            return made
        trouble = built.stderr.strip()
    if os.environ.get("CI") == "true":
        pytest.fail(f"no outside witness, which CI must have: {trouble}")
    pytest.skip(f"no outside witness: {trouble}")


def strict_policy(text: str) -> str:
    """A reader's policy that demands this witness besides, made as the guide tells; the guide's key is this one."""
    demanded = re.search(r"```\n(witness university .*?)```", GUIDE, re.S)
    if demanded is None or str(KEY) not in demanded[1] or f'"{KEY} https://' not in GUIDE:
        pytest.fail("docs/operating.md has no such policy")
    if text.count("quorum validators\n") != 1:
        pytest.fail(f"no quorum to replace: {text}")
    return text.replace("quorum validators\n", demanded[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class LiteWitness:
    """`logs` are the keys, all of one origin, whose heads it cosigns."""

    program: Path
    folder: Path
    port: int
    logs: list[n.VerifierKey]
    _agent: subprocess.Popen[bytes] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def setting(self) -> str:
        return f"{KEY} http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self._agent is None:
            self._prepare()
        db, agent = str(self.folder / "db"), str(self.folder / "agent")
        command = [
            str(self.program), "-name", NAME, "-db", db, "-ssh-agent", agent,
            "-key", sha256(KEY.key).hexdigest(), "-listen", f"127.0.0.1:{self.port}",
        ]  # fmt: skip
        with (self.folder / "litewitness.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    pytest.fail((self.folder / "litewitness.log").read_text())
                time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.kill()
        if self._agent is not None:
            self._agent.terminate()
            self._agent.wait()
            self._agent = None

    def size(self) -> int:
        """Of the log that it cosigned last."""
        with sqlite3.connect(self.folder / "db") as db:
            return int(db.execute("SELECT tree_size FROM log").fetchone()[0])

    def _prepare(self) -> None:
        with sqlite3.connect(self.folder / "db") as db:
            db.execute(
                "CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL)"
            )
            db.execute("CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL)")
            empty = b64encode(merkle.EMPTY_ROOT).decode()
            db.execute("INSERT INTO log VALUES (?, 0, ?)", (self.logs[0].name, empty))
            db.executemany("INSERT INTO key VALUES (?, ?)", [(key.name, str(key)) for key in self.logs])
        at, key = self.folder / "agent", self.folder / "key"
        key.touch(0o600)
        key.write_text(openssh_key())
        self._agent = subprocess.Popen(["ssh-agent", "-D", "-a", at], stdout=subprocess.DEVNULL)
        while not at.exists():
            time.sleep(0.01)
        environment = os.environ | {"SSH_AUTH_SOCK": str(at)}
        subprocess.run(["ssh-add", "-q", key], env=environment, check=True, capture_output=True)


def openssh_key() -> str:
    """The seed as OpenSSH's private key file, without a passphrase."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
