"""The characters that texts are made of: frequent ones of each language, and which of them stand beside which.

`pickaxe.data.readers.likely` reckons with them how likely a reading of some bytes is. Letters of a language come in the order of their
frequency, about.
"""

from __future__ import annotations

from typing import NamedTuple

SIGNS = "’‘“”„–—…«»€°§·№‚•"
OPENING, CLOSING = frozenset("«„“¿¡"), frozenset("»”…")

# Languages with a Latin alphabet: what they have beyond ASCII.
_FRENCH, _GERMAN, _SPANISH, _ITALIAN = "éèàêçôîùâûëïœÉÀÇÊÈÔ", "üäößÜÄÖ", "óíáéñúü¿¡ÁÉÓÍÑÚ", "èàùòìéÈÀ"
_PORTUGUESE, _SWEDISH, _DANISH, _ICELANDIC = "ãçáéíóõêúâôàÁÉÃÇ", "äåöÅÄÖé", "øåæØÅÆé", "áíðóéúþæöýÞÁÍÓÉÚÖ"
_DUTCH, _CATALAN = "ëéïèöüó", "àéèóçíòúïü·"
_POLISH, _CZECH, _SLOVAK = "ęąłóżśćńźŚŁŻÓĆŹ", "íáéěřčžýšůúťďňóČŘŠŽÚÍŤĎ", "áíéčžýšúľťňôďóäŕĺČŠŽ"
_HUNGARIAN, _ROMANIAN, _CROATIAN, _TURKISH = "áéőöíóüúűÉÁÖÜÓŐ", "ăţşîâŞŢÎ", "čšžćđŠČŽ", "ıişğüçöİÜÇŞÖâ"
_WESTERN = (
    *(_FRENCH, _GERMAN, _SPANISH, _ITALIAN, _PORTUGUESE),
    *(_SWEDISH, _DANISH, _ICELANDIC, _DUTCH, _CATALAN),
)
# Alphabets of their own.
_RUSSIAN, _UKRAINIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "оаниіетврклсдмупязьгбчхйжїшюцєщфґ"
_BULGARIAN, _SERBIAN = "аоиентрсвдлкпмъгзуябчщжцхйшюфь", "аоиенрсјтувкдмплзгбчшцјћжђњљхфџ"
_GREEK = "αοιετσνηυρπκμλςόίάήγέδωθχφύβώξζψϊ"
_HEBREW = "יוהלארתבמשנכעםדקןפטחגסצזךףץ"
_ARABIC, _PERSIAN = "ايلمنوتربعةدكسهقفحجشصأىطضخزئذثغإءؤظآ،؟", "ايرندمتهسوشبكزگخلفقپحعجصچغطژضءظثذ،؟"
_THAI = "านรกอเงมยลวดทสตะปบคหแจพชขใไโผธศซถภฟษณญฎฐฉฝฏ่้ัิี์ืุู็ำึๆ๊๋"


class Narrow(NamedTuple):
    """An encoding of one byte a character: the languages written in it, and whether their letters stand among Latin ones."""

    languages: tuple[str, ...]
    latin: bool = False


NARROW = {
    "cp1252": Narrow(_WESTERN, latin=True),
    "cp1250": Narrow((_POLISH, _CZECH, _SLOVAK, _HUNGARIAN, _ROMANIAN, _CROATIAN, _GERMAN), latin=True),
    "cp1254": Narrow((_TURKISH,), latin=True),
    "mac-roman": Narrow(_WESTERN, latin=True),
    "cp850": Narrow(_WESTERN, latin=True),
    "cp1255": Narrow((_HEBREW,)),
    "cp1251": Narrow((_RUSSIAN, _UKRAINIAN, _BULGARIAN, _SERBIAN)),
    "koi8-r": Narrow((_RUSSIAN,)),
    "cp1253": Narrow((_GREEK,)),
    "cp1256": Narrow((_ARABIC, _PERSIAN)),
    "cp874": Narrow((_THAI,)),
}
"""Of those that say the same the more usual comes first."""

_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "日请电问题新机网无收单间息号码付款话已未消客户服务系统信品价格退货订快递物流员工资料文件合同费密登录注册用更换修坏急"
    "投诉咨询普通标签类别描述内容产手车房市公司长意见把被给让再很太非常高低最月点分钟今明昨午早晚"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事"
    "成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實"
    "日請電問題新機網無收單間息號碼付款話已未消客戶服務系統信品價格退貨訂快遞物流員工資料文件合約費密登錄入註冊更換修壞急"
    "投訴諮詢普通標籤類別描述內容產手車房市公司長意見把被給讓再很太非常高低最月點分鐘今明昨午早晚"
)
_FULL_WIDTH = "，。！？、：；（）《》“”【】"
_HIRAGANA = "".join(map(chr, range(0x3041, 0x3094)))
_KATAKANA = "".join(map(chr, range(0x30A1, 0x30F7))) + "ー"
_HANGUL = (
    "이다는을를에의가고하지은로서기한사도아리어인나정시자해대니습요수일게들그있것보전부제스했과"
    "안못세주장면만상무문신오원구경비용화방공동생여우중와유라마성으소장거위모국조연내단교금관계물바반발선실심영외입작재저적점진차체출치통트프피학합행호회"
    "십까네데드든라람랍러런려렸르른름립많말않았없었였줄직집째찾처크타태터템토품형"
)
_JAPANESE = "日本人年大会中出上行月時分前後東生自国者金場合方事高間今社目手新気明電話品注文届返送確認変更方法"


class Wide(NamedTuple):
    """An encoding of several bytes a character: frequent characters, and the first and last lead byte of the usual ones."""

    groups: tuple[tuple[float, str], ...]
    """Shares of a text, and the characters that make them up."""
    usual: tuple[int, int]
    usual_share: float
    usual_count: int
    seldom: float = -12.0
    """Logarithm of the probability of another character of the standard, not of its extensions."""
    spaced: bool = False
    """Whether spaces stand between words."""


WIDE = {
    "gb18030": Wide(((0.5, _SIMPLIFIED), (0.08, _FULL_WIDTH)), (0xB0, 0xD7), 0.4, 3500),
    "big5": Wide(((0.5, _TRADITIONAL), (0.08, _FULL_WIDTH)), (0xA4, 0xC6), 0.4, 5100),
    "cp932": Wide(
        ((0.35, _HIRAGANA), (0.15, _KATAKANA), (0.08, "、。！？「」（）・"), (0.15, _JAPANESE)), (0x88, 0x98), 0.25, 2900
    ),
    "euc_jp": Wide(
        ((0.35, _HIRAGANA), (0.15, _KATAKANA), (0.08, "、。！？「」（）・"), (0.15, _JAPANESE)), (0xB0, 0xCF), 0.25, 2900
    ),
    "cp949": Wide(((0.6, _HANGUL),), (0xB0, 0xC8), 0.38, 2100, seldom=-16.0, spaced=True),
}
