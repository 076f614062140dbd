"""Where the service keeps everything, where it listens, and every limit with its reason."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from assay.dataset.errors import DataError

MIB, GIB = 1 << 20, 1 << 30
DAY = 86_400  # seconds


@dataclass(frozen=True)
class Bounds:
    """What one caller may cost. Each can be set higher where the machine is larger."""

    upload: int = 4 * GIB  # bytes of one data set or model: what a scan holds in memory on an ordinary machine
    unpacked: int = 16 * GIB  # bytes of all files of one archive
    ratio: int = 200  # unpacked over packed: text packs 10 to 20 times, a bomb 1,000 and more
    members: int = 2_000_000  # files of one archive: ImageNet has 1.3 million
    body: int = 1 * MIB  # bytes of a request that is not an upload
    events: int = 16 * MIB  # bytes of one batch of events
    requests: float = 50.0  # a second and caller, over time
    burst: int = 200  # requests at once: a page with its pictures
    logins: float = 0.2  # a second and address, over time: 12 a minute
    login_burst: int = 10
    streams: int = 16  # progress streams one caller may hold open
    page: int = 500  # records of one answer
    disk: int = 1 * GIB  # bytes that stay free: below it nothing is taken in


@dataclass(frozen=True)
class Settings:
    """One service. `data`: the folder of its files, and of its data base where no other is named."""

    data: Path
    database: str = ""  # SQLAlchemy URL; empty: SQLite in `data`
    host: str = "127.0.0.1"
    port: int = 8337
    hosts: tuple[str, ...] = ()  # further names by which it is reached, such as assay.example.com
    secure: bool = False  # it is reached over TLS (behind a proxy): cookies are marked so
    proxies: tuple[str, ...] = ()  # addresses whose X-Forwarded-For is believed
    webhooks: tuple[str, ...] = ()  # networks or host names inside that webhooks may reach; the public network they always may
    workers: int = 1
    memory: int | None = None  # bytes of address space a worker may take; None: no limit
    session: int = 12 * 3600  # seconds a browser stays logged in
    token_days: int = 90  # a token lives by default
    bounds: Bounds = field(default_factory=Bounds)
    trainers: dict[str, str] = field(default_factory=dict)  # ways to train again, by name: commands, of whoever starts the service alone

    @property
    def url(self) -> str:
        """The data base, as SQLAlchemy names it. DataError for one that is neither SQLite nor PostgreSQL.

        >>> Settings(Path("/srv/assay")).url
        'sqlite:////srv/assay/assay.db'
        >>> Settings(Path("x"), "postgresql://assay@db/assay").url
        'postgresql+pg8000://assay@db/assay'
        """
        if not self.database:
            return f"sqlite:///{self.data.absolute() / 'assay.db'}"
        scheme, _, rest = self.database.partition("://")
        if scheme in ("postgresql", "postgres", "postgresql+pg8000"):
            return f"postgresql+pg8000://{rest}"
        if scheme == "sqlite":
            return self.database
        raise DataError(f"no data base {scheme!r}", remedy="give postgresql://USER:PASSWORD@HOST/NAME, or nothing for SQLite")

    @property
    def files(self) -> Path:
        return self.data / "files"

    @property
    def keys(self) -> Path:
        """Secret keys: not with copies of `files`."""
        return self.data / "keys"

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names in a request's Host header that are answered: a page of somewhere else cannot name us otherwise.

        >>> sorted(Settings(Path("x"), host="0.0.0.0", hosts=("assay.example.com",)).known_hosts)
        ['127.0.0.1', '::1', 'assay.example.com', 'localhost']
        """
        try:
            open_to_all = ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            open_to_all = False
        own = () if open_to_all else (self.host,)
        return frozenset({"127.0.0.1", "localhost", "::1", *own, *self.hosts})
