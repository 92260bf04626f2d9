"""North American phone numbers as people write them -> +1 and ten digits (R39-R42). Pure."""

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from calls.intake.cells import (
    Doubt,
    NotAccepted,
    clean,
    clean_word,
    refuse_shortened_number,
    says_absent,
    without_decimal_tail,
)

_LOOKS: Final = "like +12125550199"
_SPACES: Final = " \t" + "".join(map(chr, range(0x2000, 0x200B)))
_SEPARATORS: Final = str.maketrans(
    "", "", _SPACES + "().-/\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
)
_NANP: Final = re.compile(r"(?:\+?1)?([0-9]{10})")
_INSIDE: Final = re.compile(
    r"(?<![0-9])(?:\+?1[ .-]*)?\(?([0-9]{3})\)?[ .-]*([0-9]{3})[ .-]*([0-9]{4})(?![0-9])"
)
_EXTENSION: Final = re.compile(
    r"[\s,;]*(?:\bext(?:ension|n)?\b\.?|(?<=[0-9\s])(?:ext(?:ension|n)?\.?|x)|#|,|;)[\s:.=,;]*[0-9]{1,7}#?\s*",
    re.IGNORECASE,
)
_LETTERS: Final = re.compile("[A-Za-z](?:[ .-]?[A-Za-z])*")
_LOOK_LIKE_DIGITS: Final = str.maketrans("OoIl", "0011")
_SERVICE_CODE: Final = re.compile("[2-9]11")
_CALLABLE: Final = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.VOIP,
    }
)
_FAULTS: Final = {
    "area_code": (f"must have an area code that exists, {_LOOKS}", ""),
    "exchange": ("must have a number from 2 to 9 after the area code", ""),
    "service_code": ("must not have a service code like 411 or 911 after the area code", ""),
    "premium": ("must not be a premium-rate number (900)", ""),
    "not_callable": (f"must be a number that can be called, {_LOOKS}", ""),
}
_LONGEST: Final = 100
_SHORTEST_WORD: Final = 3
_HOME: Final = frozenset({"US", "PR", "GU", "VI", "AS", "MP"})
_COUNTRIES: Final = {
    "AG": "Antigua and Barbuda",
    "AI": "Anguilla",
    "BB": "Barbados",
    "BM": "Bermuda",
    "BS": "the Bahamas",
    "CA": "Canada",
    "DM": "Dominica",
    "DO": "the Dominican Republic",
    "GD": "Grenada",
    "JM": "Jamaica",
    "KN": "Saint Kitts and Nevis",
    "KY": "the Cayman Islands",
    "LC": "Saint Lucia",
    "MS": "Montserrat",
    "SX": "Sint Maarten",
    "TC": "the Turks and Caicos Islands",
    "TT": "Trinidad and Tobago",
    "VC": "Saint Vincent and the Grenadines",
    "VG": "the British Virgin Islands",
}


def provider_phone(raw: str) -> str:
    """`(212) 555-0199` -> `+12125550199`. Raises NotAccepted; an extension is never dropped (R40)."""
    return _nanp(clean_word(raw), extension_goes="Move it to the office's IVR guide")


def patient_phone(raw: str) -> str | None:
    """As `provider_phone`, None for a blank cell, NONE or null (R42). Raises NotAccepted."""
    text = clean_word(raw)
    if says_absent(text):
        return None
    try:
        return _nanp(text, extension_goes="Move it to the notes")
    except NotAccepted as refusal:
        must = f"{refusal.must}, or be left empty"
        raise NotAccepted(refusal.code, must, refusal.hint, refusal.suggestion) from None


def phone_doubt(e164: str) -> Doubt | None:
    """A number of another country under +1 passes, with a warning (R41)."""
    country = _country(e164[2:])
    return Doubt("other_country", f"is a number in {country}") if country else None


def _nanp(text: str, extension_goes: str) -> str:
    match = _NANP.fullmatch(text.translate(_SEPARATORS))
    # "2125550199.0" would otherwise lose its point and become eleven digits.
    if match is None or ("." in text and without_decimal_tail(text)):
        raise _shape_refusal(text, extension_goes)
    if fault := _fault(match[1]):
        raise NotAccepted(fault, *_FAULTS[fault])
    return f"+1{match[1]}"


def _shape_refusal(text: str, extension_goes: str) -> NotAccepted:
    """Why the text is not ten digits, with the number that was probably meant."""
    refuse_shortened_number(text)
    if digits := without_decimal_tail(text):
        return NotAccepted("decimal", f"must not have decimals, {_LOOKS}", "", _number_in(digits))
    if match := _trailing_extension(text):
        meant = _number_in(text[: match.start()])
        return NotAccepted("extension", "must not have an extension", extension_goes, meant)
    if any(character.isalpha() for character in text):
        return NotAccepted("letters", f"must have only digits, {_LOOKS}", "", _number_in(text))
    digits = "".join(re.findall("[0-9]", text))
    if "+" in text and not (digits.startswith("1") and text.startswith("+")):
        return NotAccepted("country", f"must be a US or Canada number, {_LOOKS}")
    if match := _NANP.fullmatch(digits):
        meant = "" if _fault(match[1]) else f"+1{match[1]}"
        return NotAccepted("other_signs", f"must have only digits, {_LOOKS}", "", meant)
    count = len(digits) - (digits.startswith("1") and len(digits) > 10)
    return NotAccepted("digits", f"must have 10 digits, {_LOOKS}", f"This one has {count}")


def _trailing_extension(text: str) -> re.Match[str] | None:
    """An extension after at least ten digits: the text from it on."""
    for match in _EXTENSION.finditer(text):
        if match.end() == len(text) and len(re.findall("[0-9]", text[: match.start()])) >= 10:
            return match
    return None


def extension_of(raw: str) -> str:
    """The digits of the extension that a number ends in: `212-555-0199 ext. 12` -> `12`; "" without one."""
    match = _trailing_extension(clean(raw)[:_LONGEST])
    return "".join(re.findall("[0-9]", match[0])) if match else ""


def _number_in(text: str) -> str:
    """The only callable number in the text, letters that stand for digits turned to them; "" if none."""
    for candidate in (text, _LETTERS.sub(_digits_meant, text)):
        found = {"".join(match.groups()) for match in _INSIDE.finditer(candidate)}
        good = [digits for digits in found if not _fault(digits)]
        if len(found) == len(good) == 1:
            return f"+1{good[0]}"
    return ""


def _digits_meant(letters: re.Match[str]) -> str:
    """The digits that a run of letters stands for; the letters themselves when that is a guess.

    The keypad counts for words alone, and behind an area code: a single letter there is a slip, and
    its key would lead to a stranger.
    """
    run = letters[0]
    if all(character in "OoIl .-" for character in run):
        return run.translate(_LOOK_LIKE_DIGITS)
    follows_digits = re.search("[0-9]{3}", letters.string[: letters.start()])
    word = run.translate(_SEPARATORS)
    if len(word) < _SHORTEST_WORD or not follows_digits:
        return run
    return str(phonenumbers.convert_alpha_characters_in_number(word))


@lru_cache(maxsize=32_768)
def _fault(digits: str) -> str:
    """Why ten digits cannot be called, "" when they can. Cached: an upload repeats its numbers."""
    area, exchange = digits[:3], digits[3:6]
    if area[0] in "01" or _SERVICE_CODE.fullmatch(area):
        return "area_code"
    if exchange[0] in "01":
        return "exchange"
    kind = phonenumbers.number_type(PhoneNumber(country_code=1, national_number=int(digits)))
    if area == "900" or kind == PhoneNumberType.PREMIUM_RATE:
        return "premium"
    if kind not in _CALLABLE:
        return "not_callable"
    # Toll-free numbers may have 411 there; an ordinary exchange never has.
    if kind != PhoneNumberType.TOLL_FREE and _SERVICE_CODE.fullmatch(exchange):
        return "service_code"
    return ""


def _country(digits: str) -> str:
    """The country of a callable number outside the United States, "" inside and for toll-free.

    An area code lies in one country, so that one number of it is enough to ask about.
    """
    area = digits[:3]
    if area not in _country_by_area:
        number = PhoneNumber(country_code=1, national_number=int(digits))
        region = phonenumbers.region_code_for_number(number)  # US for toll-free
        _country_by_area[area] = (
            "" if region in _HOME else _COUNTRIES.get(region or "", "another country")
        )
    return _country_by_area[area]


_country_by_area: dict[str, str] = {}
