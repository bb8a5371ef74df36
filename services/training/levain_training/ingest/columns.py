"""The names in a header → which of them are the date, the product, the quantity and the shop."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from levain_contracts.reading import Columns
from levain_training.ingest.findings import quoted
from levain_training.ingest.refusals import DataRefused

REQUIRED: Final = ("date", "product", "quantity")
ROLES: Final = (*REQUIRED, "shop")
MAX_LISTED = 12


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(name.split()) for name in text.split("|"))


# Spelt as `normalise` leaves them: lower case, no accents, one space for anything but letters and digits.
SYNONYMS: Final[dict[str, frozenset[str]]] = {
    "date": _names(
        """date|ds|day|datum|tag|jour|fecha|dia|data|giorno|dato|dag|timestamp|datetime|date time|sale date|sales date|date of sale
        |order date|transaction date|business date|calendar date|verkaufsdatum|verkaufstag|buchungsdatum|belegdatum|date de vente
        |date vente|fecha venta|fecha de venta"""
    ),
    "product": _names(
        """product|unique id|item|article|artikel|produit|sku|name|product name|product id|product code|item name|item id|item no
        |item number|item code|article name|article id|artikelname|artikelnummer|artikelnr|artikel nr|artikelbezeichnung|bezeichnung
        |produkt|produktname|produto|producto|prodotto|articulo|articolo|designation|libelle|nom|nom produit|nombre producto|ware
        |vare"""
    ),
    "quantity": _names(
        """quantity|y|qty|sales|units|menge|quantite|anzahl|sold|units sold|quantity sold|qty sold|sold quantity|sales quantity
        |sales qty|unit sales|verkauft|verkaufte menge|verkaufsmenge|absatz|stuck|stueck|stk|stuckzahl|stueckzahl|cantidad|quantita
        |quantidade|vendu|vendus|ventes|quantite vendue|qte|unidades|unites|pieces|pcs|demand"""
    ),
    "shop": _names(
        """shop|store|filiale|branch|magasin|location|shop id|shop name|store id|store name|store nbr|store number|branch id
        |branch name|outlet|standort|laden|verkaufsstelle|filial|filialname|filialnummer|filialnr|filiale nr|tienda|negozio|boutique
        |point de vente|site|loja|sucursal|succursale"""
    ),
}
_INDEX_COLUMNS = frozenset({"", "index", "unnamed 0", "index level 0"})  # a row's number, as pandas writes it


def normalise(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]+", " ", "".join(c for c in folded if not unicodedata.combining(c))).strip()


def is_index(name: str) -> bool:
    return normalise(name) in _INDEX_COLUMNS


def candidates(names: Sequence[str], wanted: Columns) -> dict[str, list[int]]:
    """For each role the positions that may hold it; a column that the options claim for one role is none for another."""
    claimed = {role: _named(names, name) for role in ROLES if (name := getattr(wanted, role)) is not None}
    taken = {position for positions in claimed.values() for position in positions}
    found = dict(claimed)
    for role in ROLES:
        if role not in claimed:
            usual = [i for i, name in enumerate(names) if i not in taken and normalise(name) in SYNONYMS[role]]
            own = [i for i in usual if normalise(names[i]) == role]
            found[role] = own or usual
    return found


def _named(names: Sequence[str], wanted: str) -> list[int]:
    spaced = " ".join(wanted.split())
    exact = [i for i, name in enumerate(names) if " ".join(name.split()) == spaced]
    return exact or [i for i, name in enumerate(names) if " ".join(name.split()).casefold() == spaced.casefold()]


def resolve(names: Sequence[str], wanted: Columns) -> dict[str, int]:
    """Each role's position; `shop` only where there is one. Raises DataRefused `missing_column` or `ambiguous_column`."""
    found = candidates(names, wanted)
    header = f"the header is {_listed(names)}"
    for role in ROLES:
        asked = getattr(wanted, role)
        if not found[role] and (asked is not None or role in REQUIRED):
            what = f"no column {quoted(asked)} (option columns.{role})" if asked is not None else f"no {role} column"
            raise DataRefused("missing_column", f"{what}: {header}; set columns.{role} to the name of the column that holds the {role}")
        if len(found[role]) > 1:
            which = _listed([names[i] for i in found[role]])
            raise DataRefused("ambiguous_column", f"more than one {role} column ({which}): {header}; set columns.{role} to one of them")
    resolved = {role: found[role][0] for role in ROLES if found[role]}
    _no_column_twice(resolved, names)
    return resolved


def _no_column_twice(resolved: dict[str, int], names: Sequence[str]) -> None:
    for role, position in resolved.items():
        for other, same in resolved.items():
            if role != other and position == same:
                raise DataRefused(
                    "ambiguous_column", f"columns.{role} and columns.{other} both name {quoted(names[position])}: name two columns"
                )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:MAX_LISTED])
    return shown if len(names) <= MAX_LISTED else f"{shown} and {len(names) - MAX_LISTED} more"
