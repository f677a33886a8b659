"""Recognize words and phrases for a total or a balance, as in a row that a program adds to a table."""

from __future__ import annotations

from tap_csv.currencies import CODES

_WORDS = (
    "total", "totals", "subtotal", "sum", "summe", "gesamtsumme", "gesamtbetrag", "zwischensumme", "saldo", "endsaldo",
    "anfangssaldo", "balance", "gesamt", "totale", "somme", "suma", "summa", "totaal", "totalt", "sammanlagt", "i alt",
    "yhteensä", "razem", "łącznie", "ogółem", "celkem", "spolu", "összesen", "toplam", "ukupno", "skupaj", "kokku",
    "kopā", "iš viso", "σύνολο", "итого", "всего", "разом", "усього", "общо", "合計", "総計", "小計", "合计", "总计",
    "小计", "합계", "총계", "소계", "المجموع", "الإجمالي", 'סה"כ', "tổng cộng", "jumlah",
)  # fmt: skip
"""Words for a total, in lower case."""
_PHRASES = (
    "grand total", "grand totals", "net total", "gross total", "overall total", "sub total", "sub-total", "sum total",
    "total sum", "total amount", "ending balance", "closing balance", "final balance", "opening balance",
    "beginning balance", "starting balance", "gesamtergebnis", "gesamttotal", "endsumme", "nettosumme", "bruttosumme",
    "kontostand", "neuer saldo", "alter saldo", "total général", "sous-total", "sous total", "solde", "solde final",
    "solde initial", "nouveau solde", "ancien solde", "total general", "suma total", "importe total", "saldo final",
    "saldo inicial", "total geral", "totale complessivo", "totale generale", "subtotale", "saldo finale",
    "saldo iniziale", "eindtotaal", "subtotaal", "totaalbedrag", "eindsaldo", "beginsaldo", "suma końcowa",
    "genel toplam", "totalsumma", "totalsum", "végösszeg", "общий итог", "общая сумма",
)  # fmt: skip
"""Phrases that stand for a total only if they are the whole text, in lower case."""
_AROUND = r"[\s\p{Z}\p{P}\p{S}\p{Cf}]"
_WHOLE = "|".join(text.replace(" ", r"[\s\p{Z}]+") for text in (*_WORDS, *_PHRASES))

WHOLE_TOTAL = f"(?i){_AROUND}*({_WHOLE})({_AROUND}*({'|'.join(CODES)}))?{_AROUND}*"
"""Regular expression (RE2) for a text that is only a word or phrase for a total, such as `* Total EUR *`.

A code of a currency may follow. Other words of three letters can belong to a name, such as `Total Gas`.
"""
BEGINS_AS_TOTAL = f"((sub[ -])?({'|'.join(_WORDS)})( .*)?|\\p{{L}}+[ -]({'|'.join(_WORDS)})):?"
"""Regular expression (RE2) for a text in lower case that begins with such a word; it can also be a name."""
