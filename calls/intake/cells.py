"""A raw cell, cleaned, and the two ways in which a rule answers: a refusal or a doubt. Pure."""

import re
import unicodedata
from typing import Final, NamedTuple

# Spaces that do not look different, and marks that cannot be seen at all: spreadsheets, phone
# books and web pages leave them behind. The joiners U+200C and U+200D belong to names and stay.
_UNSEEN: Final = {
    **dict.fromkeys((0xA0, 0x2007, 0x202F), " "),
    **dict.fromkeys((0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF)),
    **dict.fromkeys(range(0x202A, 0x202F)),
    **dict.fromkeys(range(0x2066, 0x206A)),
}
_QUOTED_FORMULA: Final = re.compile(r'="([^"]*)"')
_SPREADSHEET_ERROR: Final = re.compile(
    r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|#{3,}", re.IGNORECASE
)
_SHORTENED_NUMBER: Final = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]{2,3}", re.IGNORECASE)
_DECIMAL_TAIL: Final = re.compile(r"([0-9]{3,})\.0+")
_LONGEST_WORD: Final = 100
_ABSENT: Final = frozenset({"none", "null", "nil", "nan", "n/a", "na", "-", "--"})


class NotAccepted(ValueError):
    """A value that breaks a rule.

    `must` and `hint` follow the field's label ("Provider phone" + "must have 10 digits"); neither
    holds the value itself, so that patient data cannot leak. `suggestion` is a value that would
    be accepted, "" when there is none; of a patient column it is patient data.
    """

    def __init__(self, code: str, must: str, hint: str = "", suggestion: str = "") -> None:
        super().__init__(code)
        self.code, self.must, self.hint, self.suggestion = code, must, hint, suggestion

    @property
    def message(self) -> str:
        return f"{self.must}. {self.hint}" if self.hint else self.must


class Doubt(NamedTuple):
    """A value that is accepted but deserves a look; `says` follows the field's label."""

    code: str
    says: str
    suggestion: str = ""


def clean(raw: str) -> str:
    """The cell without outer spaces, unseen marks and the wrappings of spreadsheets.

    Two wrappings keep a spreadsheet from reading a cell as a number or a formula: `="0123"`, and an
    apostrophe before `=`, `+`, `-`, `@` or a tab, which our own exports add.
    """
    if not (raw.isascii() and raw.isprintable()):
        raw = unicodedata.normalize("NFC", raw.translate(_UNSEEN))
    text = raw.strip()
    while text[:1] in ("'", "=") and (bare := _unwrapped(text)) != text:
        text = bare
    return text


def clean_word(raw: str) -> str:
    """A clean cell of a kind that is never long. The cap keeps the patterns of these kinds quick."""
    text = clean(raw)
    if len(text) > _LONGEST_WORD:
        count = f"This one has {len(text):,}"
        raise NotAccepted("too_long", f"must have {_LONGEST_WORD} characters or fewer", count)
    return text


def _unwrapped(text: str) -> str:
    if text[0] == "'":
        rest = text[1:].lstrip()
        is_kept_back = rest[:1] in ("=", "+", "-", "@") or text[1:2] in ("\t", "\r", "\n")
        return rest if is_kept_back else text
    if match := _QUOTED_FORMULA.fullmatch(text):
        return match[1].strip()
    return text


def says_absent(text: str) -> bool:
    """Whether a clean cell is blank or one of the words for it: NONE, null, N/A (R42, R43)."""
    return not text or (len(text) <= 4 and text.casefold() in _ABSENT)


def is_spreadsheet_error(text: str) -> bool:
    """`#N/A`, `#REF!` and the like, or `####`, which is a column that was too narrow to show."""
    return text.startswith("#") and _SPREADSHEET_ERROR.fullmatch(text) is not None


def refuse_shortened_number(text: str) -> None:
    """Raise when a spreadsheet cut digits off: `2.12556E+09`. They cannot be brought back."""
    if _SHORTENED_NUMBER.fullmatch(text):
        raise NotAccepted(
            "shortened_number",
            "must show all its digits",
            "A spreadsheet shortened this number: format the column as text and save it again",
        )


def without_decimal_tail(text: str) -> str:
    """`1234567` of `1234567.0`, the mark of a number column; "" when there is no such tail."""
    match = _DECIMAL_TAIL.fullmatch(text)
    return match[1] if match else ""
