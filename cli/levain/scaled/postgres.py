"""A private PostgreSQL server on a folder of its own, on loopback alone and with a password."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from levain.errors import BadInput, CommandFailed
from levain.scaled.ports import free_port
from levain.scaled.program import Program

_VERSIONS = Path("/usr/lib/postgresql")  # where Debian has them
_START_SECONDS = 30.0
_USER = "levain"
_MAINTENANCE = "postgres"  # the database that always exists


def found() -> Path | None:
    """The folder of `initdb` and `postgres`, newest version first, None where there is none."""
    versions = sorted(_VERSIONS.glob("*/bin"), key=lambda place: float(place.parent.name), reverse=True)
    for place in (*versions, *map(Path, os.environ.get("PATH", "").split(os.pathsep))):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    return None


class Postgres:
    """Methods block. As root the server runs as Debian's user `postgres`: PostgreSQL refuses root. `durable`: it survives a power cut."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """Raises `BadInput` where PostgreSQL is not installed, or its user can't get into the folder."""
        place = found()
        if place is None:
            raise BadInput("PostgreSQL is not installed: on Debian, apt-get install postgresql")
        self.folder, self._place, self._durable = folder.resolve(), place, durable
        self._server_user = _unprivileged() if os.geteuid() == 0 else None
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._server_user is not None:
            _let_in(self._server_user, self.folder)
        self._data = self.folder / "data"
        self.program = Program("PostgreSQL", self.folder / "postgres.log", stop_signal=signal.SIGINT, user=self._server_user)
        self.port = 0

    def url(self, database: str = _USER) -> str:
        """SQLAlchemy's, with the password."""
        return f"postgresql+psycopg://{_USER}:{self._password()}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        """The first call makes the database cluster: about two seconds."""
        if not self._data.exists():
            self._initialise()
        self.port = self.port or free_port()
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "", "max_connections": "200"}
        if not self._durable:
            options |= {"fsync": "off", "full_page_writes": "off"}  # what was committed is the kernel's, and outlives a kill
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.program.start([str(self._place / "postgres"), "-D", str(self._data), *settings], self._environment())

    def wait(self) -> None:
        self.program.wait_until(self._answers, _START_SECONDS)
        self._make_database()

    def stop(self) -> None:
        """Fast: open sessions are ended, nothing that was committed is lost."""
        self.program.stop()

    def kill(self) -> None:
        self.program.kill()

    def query(self, statement: str, database: str = _MAINTENANCE) -> str:
        """What `psql` prints: rows by line, columns by `|`. Raises `CommandFailed`."""
        client = [str(self._place / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, "-d", database]
        command = [*client, "-v", "ON_ERROR_STOP=1", "-AtXqc", statement]
        environment = self._environment() | {"PGPASSWORD": self._password()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise CommandFailed(f"PostgreSQL: {done.stderr.strip()}")
        return done.stdout.strip()

    def _make_database(self) -> None:
        if not self.query(f"SELECT 1 FROM pg_database WHERE datname = '{_USER}'"):  # noqa: S608  # a constant
            self.query(f"CREATE DATABASE {_USER}")

    def _initialise(self) -> None:
        password_file, unfinished = self.folder / "password", self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_hex(16))
        if self._server_user is not None:
            _give(password_file, self._server_user)
        options = [f"--username={_USER}", "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C.UTF-8"]
        if not self._durable:
            options.append("--no-sync")
        done = subprocess.run(  # noqa: S603
            [str(self._place / "initdb"), "-D", str(unfinished), *options],
            env=self._environment(),
            user=self._server_user,
            group=None if self._server_user is None else pwd.getpwnam(self._server_user).pw_gid,
            extra_groups=None if self._server_user is None else [],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"PostgreSQL: {done.stderr.strip()}")
        unfinished.rename(self._data)  # whoever was ended in the middle of it begins anew

    def _password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                pass
            self.query("SELECT 1")
        except (OSError, CommandFailed):
            return False
        return True

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.folder), "LANG": "C.UTF-8", "LC_MESSAGES": "C"}


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise BadInput("PostgreSQL does not run as root, and this machine has no user postgres")


def _give(path: Path, user: str) -> None:
    who = pwd.getpwnam(user)
    os.chown(path, who.pw_uid, who.pw_gid)


def _let_in(user: str, folder: Path) -> None:
    """It may pass through the folder above, and through temporary ones, which were made for it; and it can list none of them."""
    _give(folder, user)
    temporary, above = Path(tempfile.gettempdir()).resolve(), folder.parents
    for place in above:
        mode = place.stat().st_mode
        if mode & 0o001:
            continue
        if place != above[0] and temporary not in place.parents:
            raise BadInput(
                f"PostgreSQL does not run as root, and its user {user} can't pass through {place}: "
                "choose another folder by --data-dir, or name a server by --database-url"
            )
        place.chmod(mode & 0o7777 | 0o001)
