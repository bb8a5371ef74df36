"""The kubelet's configuration, and the cgroups and kernel settings that it touches."""

import datetime
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CGROUPS = Path("/sys/fs/cgroup")
# What the kubelet writes where it may, for the whole machine.
_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def configuration(folder: Path, *, address: str, socket: Path, name: str, certificate: Path) -> dict[str, Any]:
    """`address`: of the node, and of DNS. `certificate`: of who may call the kubelet, by itself its own authority."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(certificate)}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{name}",
        "clusterDNS": [address],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "healthzPort": 0,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 60,
        "podLogsDir": str(folder / "pod-logs"),
        "resolvConf": str(folder / "resolv.conf"),
        "shutdownGracePeriod": "0s",
        "volumePluginDir": str(folder / "plugins"),
    }


def new_certificate(certificate: Path, key: Path) -> None:
    """The API server shows it to the kubelet, of whose administrators it is then."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"), x509.NameAttribute(NameOID.COMMON_NAME, "api-server")]
    )
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.touch(mode=0o600)
    plain = serialization.NoEncryption()
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain))
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def make_cgroups(name: str) -> None:
    """One in each hierarchy: two nodes must not share theirs, each kubelet ends what it does not know."""
    for hierarchy in _hierarchies():
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        for needed in ("cpuset.cpus", "cpuset.mems"):
            if (folder / needed).exists() and not (folder / needed).read_text().strip():
                (folder / needed).write_text((hierarchy / needed).read_text())


def remove_cgroups(name: str) -> None:
    """Processes that are still in them keep theirs."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


def _hierarchies() -> Iterator[Path]:
    """Of version 1 one for each controller; of version 2 one."""
    if (_CGROUPS / "cgroup.controllers").exists():
        yield _CGROUPS
    else:
        yield from (path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists())


def kernel_settings() -> dict[str, str]:
    return {name: path.read_text() for name in _SETTINGS if (path := Path("/proc/sys", name)).exists()}


def set_kernel(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        with suppress(OSError):
            Path("/proc/sys", name).write_text(value)
