"""The names in a header → which of them are the date, the product, the quantity and the shop."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

from levain_contracts.reading import Columns
from levain_training.ingest.findings import quoted
from levain_training.ingest.refusals import DataRefused

MAX_LISTED = 12


class Purpose(NamedTuple):
    """Which columns a table has. `options`: whether the reading options can name them; `wide`: columns without a role hold quantities."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    options: bool = True
    wide: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)


SALES: Final = Purpose(("date", "product", "quantity"), ("shop",))
TICKETS: Final = Purpose(("date", "product"), ("shop",))
DAY_COLUMNS: Final = Purpose(("product",), ("shop",), wide=True)
PRODUCT_COLUMNS: Final = Purpose(("date",), ("shop",), wide=True)
CALENDAR: Final = Purpose(("date", "status"), ("label", "shop"), options=False)


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
    "status": _names("status|state|open|open closed|offen|geoffnet|offnung|zustand|statut|ouvert|ouverture|estado|abierto|stato|aperto"),
    "label": _names("label|reason|note|comment|event|grund|bemerkung|anlass|feiertag|holiday|motif|jour ferie|motivo|evento"),
}
_INDEX_COLUMNS = frozenset({"", "index", "unnamed 0", "index level 0"})  # a row's number, as pandas writes it


def normalise(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]+", " ", "".join(c for c in folded if not unicodedata.combining(c))).strip()


def is_index(name: str) -> bool:
    return normalise(name) in _INDEX_COLUMNS


def candidates(names: Sequence[str], wanted: Columns, purpose: Purpose = SALES) -> dict[str, list[int]]:
    """For each role the positions that may hold it; a column that the options claim for one role is none for another."""
    asked = {role: getattr(wanted, role) for role in purpose.roles if purpose.options}
    claimed = {role: _named(names, name) for role, name in asked.items() if name is not None}
    taken = {position for positions in claimed.values() for position in positions}
    found = dict(claimed)
    for role in purpose.roles:
        if role not in claimed:
            usual = [i for i, name in enumerate(names) if i not in taken and normalise(name) in SYNONYMS[role]]
            own = [i for i in usual if normalise(names[i]) == role]
            found[role] = own or usual
    return found


def _named(names: Sequence[str], wanted: str) -> list[int]:
    spaced = " ".join(wanted.split())
    exact = [i for i, name in enumerate(names) if " ".join(name.split()) == spaced]
    return exact or [i for i, name in enumerate(names) if " ".join(name.split()).casefold() == spaced.casefold()]


def resolve(names: Sequence[str], wanted: Columns, purpose: Purpose = SALES) -> dict[str, int]:
    """Each role's position; an optional one only where there is one. Raises DataRefused `missing_column` or `ambiguous_column`."""
    found = candidates(names, wanted, purpose)
    for role in purpose.roles:
        asked = getattr(wanted, role) if purpose.options else None
        if not found[role] and (asked is not None or role in purpose.required):
            raise missing(role, asked, names, purpose)
        if len(found[role]) > 1:
            which = _listed([names[i] for i in found[role]])
            way_out = f"set columns.{role} to one of them" if purpose.options else f"name one of them {role}"
            raise DataRefused("ambiguous_column", f"more than one {role} column ({which}): the header is {_listed(names)}; {way_out}")
    resolved = {role: found[role][0] for role in purpose.roles if found[role]}
    _no_column_twice(resolved, names)
    return resolved


def with_or_without_quantity(names: Sequence[str], wanted: Columns, purpose: Purpose = SALES) -> Purpose:
    """Ticket lines have no quantity: whether these are some is only known once the dates are read."""
    lacking = purpose is SALES and wanted.quantity is None and not candidates(names, wanted, purpose)["quantity"]
    return TICKETS if lacking else purpose


def missing(role: str, asked: str | None, names: Sequence[str], purpose: Purpose = SALES) -> DataRefused:
    what = f"no column {quoted(asked)} (option columns.{role})" if asked is not None else f"no {role} column"
    way_out = f"set columns.{role} to the name of the column that holds the {role}" if purpose.options else f"name it {role}"
    return DataRefused("missing_column", f"{what}: the header is {_listed(names)}; {way_out}")


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
