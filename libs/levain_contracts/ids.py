"""Ids that are safe in addresses, headers and logs, and the derivation of a product's id from its name."""

import hashlib
import json
import re
import unicodedata
import uuid
from collections.abc import Callable, Sequence

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
MAX_ID_CHARS = 63
_ID = re.compile(ID_PATTERN[:-1] + r"\Z")  # `$` alone would let a trailing newline through
_SLUG_CHARS = 40

REQUEST_ID_HEADER = "X-Request-ID"
REQUEST_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"
MAX_REQUEST_ID_CHARS = 64
_REQUEST_ID = re.compile(REQUEST_ID_PATTERN[:-1] + r"\Z")


def is_id(text: str) -> bool:
    return _ID.match(text) is not None


def is_request_id(text: str) -> bool:
    return _REQUEST_ID.match(text) is not None


def new_request_id() -> str:
    return uuid.uuid4().hex


def request_id_of(given: Sequence[bytes], make: Callable[[], str] = new_request_id) -> str:
    """Of the values of a request's `X-Request-ID`: the one that there is, if it is harmless, else a new one."""
    text = given[0].decode("latin-1") if len(given) == 1 else ""
    return text if is_request_id(text) else make()


def product_id(shop: str | None, product: str) -> str:
    """A short id for the series (shop, product): a readable part and 48 bits of SHA-256, stable for ever."""
    key = json.dumps([shop, product], ensure_ascii=False).encode(errors="surrogatepass")
    digest = hashlib.sha256(key).hexdigest()[:12]
    folded = unicodedata.normalize("NFKD", product).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:_SLUG_CHARS].strip("-")
    return f"{slug}-{digest}" if slug else digest
