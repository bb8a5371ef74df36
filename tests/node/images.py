"""Images without a registry and without Docker: the real Dockerfile on bases that are made of Debian's packages.

All is kept in a storage of its own in the cache: a base is made once, an image's layers where what they are made of has changed.
"""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.cache import cache
from tests.node.containerd import PAUSE
from tests.node.parts import done, program

from levain.errors import CommandFailed

ROOT = Path(__file__).parents[2]
TARGETS = ("gateway", "training", "operator")

_SECONDS = 1200.0
# From outside, and in no layer: what lets pip and npm reach their indexes here.
_INDEXES_NEED = (Path("/etc/ssl/certs"), Path("/etc/pip.conf"))


@dataclass(frozen=True)
class Base:
    """`image` is the name that others say: a FROM of the Dockerfile, or the chart."""

    image: str
    suite: str
    packages: tuple[str, ...]
    user: str = "root"


# bookworm has the Python of the real base; trixie has RabbitMQ 4.
PYTHON = Base("docker.io/library/python:3.11-slim-bookworm", "bookworm", ("python3", "python3-venv", "ca-certificates", "libgomp1"))
RABBITMQ = Base("docker.io/library/rabbitmq:4", "trixie", ("rabbitmq-server",))
NODEJS = "docker.io/library/node:22-slim"
# What tests put beside the chart.
SERVERS = Base("levain.dev/test-servers:1", "trixie", ("postgresql", "prometheus"), user="postgres")


def image_of(target: str) -> str:
    version = yaml.safe_load((ROOT / "charts" / "levain" / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
    return f"docker.io/library/levain-{target}:{version}"


def build(targets: Iterable[str] = TARGETS) -> list[str]:
    """The images' names. Says what it is doing, since the first time takes minutes."""
    _make_base(PYTHON)
    _make_nodejs()
    return [_build_target(target) for target in targets]


def archives(folder: Path) -> list[Path]:
    """Of all images that a node with the chart needs, newly built."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_pause()
    for base in (RABBITMQ, SERVERS):
        _make_base(base)
    return [_saved(image, folder) for image in (PAUSE, RABBITMQ.image, SERVERS.image, *build())]


def sizes_bytes(image: str) -> tuple[int, int]:
    """Unpacked: of the whole image, and of what we add to its base."""
    layers = yaml.safe_load(_buildah("inspect", "--type", "image", "--format", "{{.Manifest}}", image))["layers"]
    sizes = [layer["size"] for layer in layers]
    return sum(sizes), sum(sizes[1:])


def _make_base(base: Base) -> None:
    if _is_there(base.image):
        return
    print(f"making {base.image} of Debian's {', '.join(base.packages)} (once, about half a minute)", flush=True)
    with tempfile.TemporaryDirectory(prefix="levain-base-") as folder:
        archive = Path(folder, "base.tar")
        done("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(base.packages)}", base.suite, archive, seconds=_SECONDS)
        _from_scratch(base.image, "add", archive, "--user", base.user)


def _make_nodejs() -> None:
    print(f"making {NODEJS} of what PyPI has (once, then from its layers)", flush=True)
    _build(NODEJS, f"--file={Path(__file__).parent / 'nodejs.Dockerfile'}", f"--ignorefile={os.devnull}")


def _make_pause() -> None:
    if not _is_there(PAUSE):
        _from_scratch(PAUSE, "copy", Path(program("pause")), "--entrypoint", '["/pause"]')


def _from_scratch(image: str, how: str, content: Path, *config: str) -> None:
    container = _buildah("from", "scratch").strip()
    _buildah(how, container, str(content), "/")
    _buildah("config", *config, container)
    _buildah("commit", "--rm", container, image)


def _build_target(target: str) -> str:
    print(f"building the image of {target} from the Dockerfile", flush=True)
    image = image_of(target)
    _build(image, f"--target={target}")
    return image


def _build(image: str, *options: str) -> None:
    volumes = [f"--volume={path}:{path}:ro" for path in _INDEXES_NEED if path.exists()]
    _buildah("build", "--layers", "--pull=never", "--network=host", *volumes, *options, f"--tag={image}", str(ROOT))


def _saved(image: str, folder: Path) -> Path:
    archive = folder / f"{image.rpartition('/')[2].replace(':', '-')}.tar"
    archive.unlink(missing_ok=True)
    _buildah("push", image, f"docker-archive:{archive}:{image}")
    return archive


def _is_there(image: str) -> bool:
    try:
        _buildah("inspect", "--type", "image", image)
    except CommandFailed:
        return False
    return True


def _buildah(*command: str) -> str:
    storage = cache() / "images"
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
    options = [f"--root={storage / 'root'}", f"--runroot={storage / 'run'}"]
    return done("buildah", *options, *command, seconds=_SECONDS, env=environment)
