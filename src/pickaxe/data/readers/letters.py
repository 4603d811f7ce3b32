"""The characters by which an encoding is told: those that texts of its languages are full of.

The right reading of a text has many of them, and whole words of them; a wrong one has letters that stand alone between Latin ones, words
of rare characters, or signs that nobody types.
"""

from __future__ import annotations

import re

_SIGNS = "’‘“”„–—…«»€°§·№"
_HIRAGANA = "".join(map(chr, range(0x3041, 0x3094))) + "ー、。"
WIDE = {
    "gb18030": "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实，。！？、：；",
    "big5": "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作里用道行所然家種事"
    "成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實，。！？、：；",
    "cp932": _HIRAGANA,
    "euc_jp": _HIRAGANA,
    "cp949": "이다는을를에의가고하지은로서기한사도아리어인나정시자해대니습요수일게들그있것보전부제스했과",
}
"""Encodings of several bytes a character, and frequent characters."""
PLAIN_SHARE = 0.15
"""Of the characters beyond ASCII; a text that is read in a wrong one of these has hardly any frequent ones."""
_WESTERN = "àâäáãåçéèêëíìîïñóòôöõøœúùûüßæÀÂÄÁÇÉÈÊÖÜŒ¿¡" + _SIGNS
_CYRILLIC = "оеаинтсрвлкмдпуяызьбгчйхжшюцщэфъёіїєґ" + _SIGNS
NARROW = {
    "cp1252": _WESTERN,
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžőöüűäôľăâîşţđŁŚŻČŘŠŽÁÉÖÜß" + _SIGNS,
    "cp1254": "ğışçöüâîİÖÜÇŞĞ" + _SIGNS,
    "mac-roman": _WESTERN,
    "cp850": _WESTERN,
    "cp1255": "אבגדהוזחטיךכלםמןנסעףפץצקרשת" + _SIGNS,  # has no room for a few letters of every Russian text
    "cp1251": _CYRILLIC,
    "koi8-r": _CYRILLIC,
    "cp1253": "αοιετσνηυρπκμλωςγδθφχβξζψάέήίόύώ" + _SIGNS,
    "cp1256": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىءأإآؤئ،؟پچژگ" + _SIGNS,
    "cp874": "กขคงจชซณดตถทธนบปผพฟมยรลวศสหอะาำิีึืุูเแโใไ่้์็ั" + _SIGNS,
}
"""Encodings of one byte a character, and frequent characters beyond ASCII; of those that say the same the more usual comes first."""
_LATIN = frozenset({"cp1252", "cp1250", "cp1254", "mac-roman", "cp850"})
_WORD = re.compile(r"[^\W\d_]+")


def wide_share(sample: bytes, encoding: str) -> float:
    """Share of the characters beyond ASCII that are frequent ones of an encoding of `WIDE`; 0 when it cannot be decoded."""
    beyond = [char for char in _decoded(sample, encoding) if char > "\x7f"]
    return sum(char in WIDE[encoding] for char in beyond) / len(beyond) if beyond else 0.0


def narrow_share(sample: bytes, encoding: str) -> float:
    """As `wide_share`, of an encoding of `NARROW`; letters count in words of their own kind only.

    Accents stand among plain letters; the letters of another script stand among themselves.
    """
    text, frequent = _decoded(sample, encoding), NARROW[encoding]
    beyond = sum(char > "\x7f" for char in text)
    fine = sum(char in frequent for char in _WORD.sub("", text) if char > "\x7f")
    for word in _WORD.findall(text):
        strange = [char for char in word[0].lower() + word[1:] if char > "\x7f"]
        likely = 2 * len(strange) <= len(word) or len(word) <= 2 if encoding in _LATIN else len(strange) == len(word)
        fine += sum(char in frequent for char in strange) if likely else 0
    return fine / beyond if beyond else 0.0


def _decoded(sample: bytes, encoding: str) -> str:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return ""
