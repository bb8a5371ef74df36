"""Ids that are safe in addresses, and the derivation of a product's id from its name."""

import hashlib
import json
import re
import unicodedata

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
MAX_ID_CHARS = 63
_ID = re.compile(ID_PATTERN[:-1] + r"\Z")  # `$` alone would let a trailing newline through
_SLUG_CHARS = 40


def is_id(text: str) -> bool:
    return _ID.match(text) is not None


def product_id(shop: str | None, product: str) -> str:
    """A short id for the series (shop, product): a readable part and 48 bits of SHA-256, stable for ever."""
    key = json.dumps([shop, product], ensure_ascii=False).encode(errors="surrogatepass")
    digest = hashlib.sha256(key).hexdigest()[:12]
    folded = unicodedata.normalize("NFKD", product).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:_SLUG_CHARS].strip("-")
    return f"{slug}-{digest}" if slug else digest
