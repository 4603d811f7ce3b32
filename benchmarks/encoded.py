"""Tables of short texts in 22 languages and the encodings that they are saved in: what the guess at an encoding is measured by.

Each language has two halves, other sentences and other classes in each. The letters of `pickaxe.data.readers.letters` were chosen while
looking at the half "tuned"; the half "held" was not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal, NamedTuple

Half = Literal["tuned", "held"]

WESTERN = ("cp1252", "mac-roman", "cp850")
ENCODINGS: dict[str, tuple[str, ...]] = {
    "zh": ("gb18030",),
    "zh-tw": ("big5",),
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
    "fr": WESTERN,
    "de": WESTERN,
    "es": WESTERN,
    "pt": WESTERN,
    "it": WESTERN,
    "sv": WESTERN,
    "da": WESTERN,
    "pl": ("cp1250",),
    "cs": ("cp1250",),
    "hu": ("cp1250",),
    "ro": ("cp1250",),
    "tr": ("cp1254",),
    "ru": ("cp1251", "koi8-r"),
    "uk": ("cp1251",),
    "el": ("cp1253",),
    "he": ("cp1255",),
    "ar": ("cp1256",),
    "th": ("cp874",),
}


class Said(NamedTuple):
    """Sentences, two classes, names of the two columns."""

    said: tuple[str, ...]
    classes: tuple[str, str]
    header: tuple[str, str]


TEXTS: dict[str, dict[Half, Said]] = {
    "zh": {
        "tuned": Said(
            ("打印机坏了请尽快处理", "会议改到下午三点", "发票金额不对，请核对。", "登录密码忘记了怎么办？", "快递还没有收到"),
            ("紧急", "普通"),
            ("内容", "类别"),
        ),
        "held": Said(
            ("空调漏水需要维修", "新员工申请办公电脑", "合同扫描件已上传，麻烦审批！", "网络很慢，视频卡顿", "退款多久到账"),
            ("投诉", "咨询"),
            ("描述", "标签"),
        ),
    },
    "zh-tw": {
        "tuned": Said(
            ("印表機壞了請儘快處理", "會議改到下午三點", "發票金額不對，請核對。", "忘記登入密碼怎麼辦？", "包裹還沒有收到"),
            ("緊急", "一般"),
            ("內容", "類別"),
        ),
        "held": Said(
            ("冷氣漏水需要維修", "新進員工申請電腦", "合約掃描檔已上傳，麻煩簽核！", "網路很慢，影片卡頓", "退款多久入帳"),
            ("投訴", "諮詢"),
            ("描述", "標籤"),
        ),
    },
    "ja": {
        "tuned": Said(
            (
                "プリンターが壊れました",
                "会議は午後三時に変更",
                "請求書の金額が違います。",
                "パスワードを忘れました",
                "荷物がまだ届かない",
            ),
            ("至急", "通常"),
            ("内容", "分類"),
        ),
        "held": Said(
            (
                "エアコンから水漏れ",
                "新入社員のパソコン申請",
                "契約書を確認してください！",
                "ネットワークが遅い",
                "返金はいつですか",
            ),
            ("苦情", "質問"),
            ("説明", "ラベル"),
        ),
    },
    "ko": {
        "tuned": Said(
            (
                "프린터가 고장 났어요",
                "회의가 오후 세 시로 변경",
                "청구서 금액이 다릅니다.",
                "비밀번호를 잊어버렸어요",
                "택배가 아직 안 왔습니다",
            ),
            ("긴급", "보통"),
            ("내용", "분류"),
        ),
        "held": Said(
            (
                "에어컨에서 물이 샙니다",
                "신입 사원 노트북 신청",
                "계약서를 검토해 주세요!",
                "인터넷이 너무 느려요",
                "환불은 언제 되나요",
            ),
            ("불만", "문의"),
            ("설명", "라벨"),
        ),
    },
    "fr": {
        "tuned": Said(
            (
                "Le reçu a été envoyé à l'hôtel",
                "Réunion décalée à 15 h",
                "Où êtes-vous ?",
                "Mot de passe oublié",
                "Ça ne marche plus",
            ),
            ("urgent", "différé"),
            ("texte", "catégorie"),
        ),
        "held": Said(
            (
                "La clé du bâtiment est cassée",
                "Problème très gênant",
                "Dès que possible, merci",
                "Colis pas arrivé",
                "J'ai déjà payé !",
            ),
            ("réclamation", "question"),
            ("libellé", "étiquette"),
        ),
    },
    "de": {
        "tuned": Said(
            (
                "Der Drucker ist schon wieder gestört",
                "Bitte prüfen",
                "Die Straße ist gesperrt",
                "Schlüssel verloren",
                "Größe falsch",
            ),
            ("dringend", "später"),
            ("Text", "Priorität"),
        ),
        "held": Said(
            ("Ölwechsel fällig", "Rückgabe nicht möglich", "Kündigung bestätigen", "Außentür klemmt", "Gerät läuft nicht"),
            ("Störung", "Wünsche"),
            ("Inhalt", "Lösung"),
        ),
    },
    "es": {
        "tuned": Said(
            (
                "¿Dónde está mi pedido?",
                "La conexión no funcionó mañana",
                "Número de teléfono",
                "El baño está sucio",
                "¡Qué rápido!",
            ),
            ("urgente", "según"),
            ("texto", "categoría"),
        ),
        "held": Said(
            (
                "Olvidé la contraseña",
                "El avión salió tarde",
                "¿Cuándo llegará el técnico?",
                "Reunión el miércoles",
                "Señal débil",
            ),
            ("queja", "petición"),
            ("descripción", "etiqueta"),
        ),
    },
    "pt": {
        "tuned": Said(
            (
                "A impressora não está funcionando",
                "Reunião amanhã às três",
                "Você já recebeu?",
                "Solução rápida",
                "Preço incorreto",
            ),
            ("urgente", "padrão"),
            ("texto", "descrição"),
        ),
        "held": Said(
            ("Não consigo acessar", "Atenção ao prazo", "O ônibus atrasou", "Cartão não é aceito", "Há um problema"),
            ("reclamação", "dúvida"),
            ("conteúdo", "rótulo"),
        ),
    },
    "it": {
        "tuned": Said(
            ("La stampante è rotta", "Perché non funziona più?", "La riunione è lunedì", "Può verificare?", "La città è bella"),
            ("urgente", "novità"),
            ("testo", "priorità"),
        ),
        "held": Said(
            ("Il caffè è freddo", "Non è arrivato però", "C'è un guasto giù", "Verrà martedì", "Così non va"),
            ("qualità", "reclamo"),
            ("contenuto", "età"),
        ),
    },
    "sv": {
        "tuned": Said(
            (
                "Skrivaren är trasig igen",
                "Mötet är flyttat",
                "Lösenordet går inte",
                "Får jag pengarna åter?",
                "Var är mitt paket på",
            ),
            ("brådskande", "övrigt"),
            ("ärende", "läge"),
        ),
        "held": Said(
            ("Nätet är långsamt", "Vänligen åtgärda felet", "Dörren är låst", "Jag väntar på svar än", "Önskar återköp"),
            ("klagomål", "fråga"),
            ("fält", "märke"),
        ),
    },
    "da": {
        "tuned": Said(
            (
                "Printeren er gået i stykker",
                "Mødet er flyttet",
                "Hvornår får jeg svar?",
                "Køleskabet er i uorden",
                "Prøv igen på mandag",
            ),
            ("nødvendig", "når som helst"),
            ("spørgsmål", "værdi"),
        ),
        "held": Said(
            ("Døren kan ikke åbnes", "Nøglen er væk", "Regningen er ikke rigtig på", "Håndværker søges", "Fejl ved køb"),
            ("klage", "forespørgsel på"),
            ("område", "mærke"),
        ),
    },
    "pl": {
        "tuned": Said(
            (
                "Drukarka znów nie działa",
                "Proszę o pilną pomoc",
                "Zgubiłem hasło",
                "Spotkanie jest później",
                "Paczka nie dotarła wciąż",
            ),
            ("pilne", "zwykłe"),
            ("treść", "rodzaj"),
        ),
        "held": Said(
            ("Wciąż czekam na zwrot pieniędzy", "Błąd połączenia", "Łazienka jest zamknięta", "Żądam odpowiedzi", "Umówić się"),
            ("skarga", "życzenie"),
            ("opis zgłoszenia", "źródło"),
        ),
    },
    "cs": {
        "tuned": Said(
            (
                "Tiskárna zase nefunguje",
                "Schůzka je odložena na příští týden",
                "Zapomněl jsem heslo",
                "Kdy přijde můj balík?",
                "Děkuji",
            ),
            ("naléhavé", "běžné"),
            ("zpráva", "druh"),
        ),
        "held": Said(
            ("Připojení je velmi pomalé", "Žádám o vrácení peněz", "Dveře nejdou zavřít", "Účet je špatně", "Chybí číslo"),
            ("stížnost", "dotaz čtenáře"),
            ("popis závady", "štítek"),
        ),
    },
    "hu": {
        "tuned": Said(
            (
                "A nyomtató nem működik",
                "Elfelejtettem a jelszót",
                "A csomag még nem érkezett meg",
                "Kérem, segítsenek",
                "Hűtő javítás",
            ),
            ("sürgős", "később"),
            ("szöveg", "jelző"),
        ),
        "held": Said(
            ("A fűtés elromlott", "Túl lassú az internet", "Az ajtó nem záródik", "Mikor jön a szerelő?", "Időpontot kérek"),
            ("panasz", "kérdés"),
            ("leírás", "címke"),
        ),
    },
    "ro": {
        "tuned": Said(
            (
                "Imprimanta s-a stricat încă o dată",
                "Nu primesc coletul până mâine",
                "Parola greşită",
                "Vă rog să mă ajutaţi",
                "Şedinţă",
            ),
            ("urgenţă", "obişnuit"),
            ("conţinut", "clasă"),
        ),
        "held": Said(
            (
                "Uşa nu se închide",
                "Reţeaua este lentă astăzi",
                "Când vine tehnicianul în casă?",
                "Vreau banii înapoi",
                "Plată dublă",
            ),
            ("plângere", "întrebare"),
            ("descriere în scurt", "etichetă"),
        ),
    },
    "tr": {
        "tuned": Said(
            (
                "Yazıcı yine çalışmıyor",
                "Toplantı öğleden sonraya alındı",
                "Şifremi unuttum",
                "Kargo gelmedi hâlâ",
                "Lütfen yardım edin",
            ),
            ("acil", "sıradan"),
            ("içerik", "tür adı"),
        ),
        "held": Said(
            ("Klima su akıtıyor", "İnternet çok yavaş", "Para iadesi ne zaman yapılır", "Kapı kapanmıyor", "Fatura yanlış"),
            ("şikâyet", "soru işareti"),
            ("açıklama", "başlık"),
        ),
    },
    "ru": {
        "tuned": Said(
            ("Принтер снова не работает", "Встреча перенесена на вечер", "Забыл пароль", "Где мой заказ?", "Срочно помогите"),
            ("срочно", "обычное"),
            ("текст", "класс"),
        ),
        "held": Said(
            ("Кондиционер течёт", "Медленный интернет", "Когда вернут деньги?", "Ошибка в счёте", "Дверь не закрывается"),
            ("жалоба", "вопрос"),
            ("описание", "метка"),
        ),
    },
    "uk": {
        "tuned": Said(
            (
                "Принтер знову не працює",
                "Зустріч перенесено на вечір",
                "Забув пароль",
                "Де моє замовлення?",
                "Терміново допоможіть",
            ),
            ("терміново", "звичайне"),
            ("текст", "клас"),
        ),
        "held": Said(
            ("Кондиціонер протікає", "Повільний інтернет", "Коли повернуть гроші?", "Помилка в рахунку", "Двері не зачиняються"),
            ("скарга", "питання"),
            ("опис", "мітка"),
        ),
    },
    "el": {
        "tuned": Said(
            (
                "Ο εκτυπωτής δεν λειτουργεί",
                "Η συνάντηση αναβλήθηκε",
                "Ξέχασα τον κωδικό",
                "Πού είναι το δέμα μου",
                "Βοήθεια παρακαλώ",
            ),
            ("επείγον", "κανονικό"),
            ("κείμενο", "τάξη"),
        ),
        "held": Said(
            (
                "Το κλιματιστικό στάζει",
                "Αργό διαδίκτυο",
                "Πότε θα γίνει επιστροφή χρημάτων",
                "Λάθος λογαριασμός",
                "Η πόρτα δεν κλείνει",
            ),
            ("παράπονο", "ερώτηση"),
            ("περιγραφή", "ετικέτα"),
        ),
    },
    "he": {
        "tuned": Said(
            ("המדפסת שוב לא עובדת", "הפגישה נדחתה למחר", "שכחתי את הסיסמה", "איפה ההזמנה שלי?", "בבקשה עזרו לי"),
            ("דחוף", "רגיל"),
            ("תוכן", "סוג"),
        ),
        "held": Said(
            ("המזגן מטפטף מים", "האינטרנט איטי מאוד", "מתי יוחזר הכסף", "טעות בחשבון", "הדלת לא נסגרת"),
            ("תלונה", "שאלה"),
            ("תיאור", "תווית"),
        ),
    },
    "ar": {
        "tuned": Said(
            ("الطابعة لا تعمل مرة أخرى", "تأجل الاجتماع إلى الغد", "نسيت كلمة المرور", "أين طلبي؟", "أرجو المساعدة"),
            ("عاجل", "عادي"),
            ("النص", "الفئة"),
        ),
        "held": Said(
            ("المكيف يسرب الماء", "الإنترنت بطيء جدا", "متى يعاد المبلغ", "خطأ في الفاتورة", "الباب لا يغلق"),
            ("شكوى", "سؤال"),
            ("الوصف", "التصنيف"),
        ),
    },
    "th": {
        "tuned": Said(
            ("เครื่องพิมพ์เสียอีกแล้ว", "เลื่อนประชุมไปพรุ่งนี้", "ลืมรหัสผ่าน", "พัสดุยังไม่มาถึง", "กรุณาช่วยด้วย"),
            ("ด่วน", "ปกติ"),
            ("ข้อความ", "ประเภท"),
        ),
        "held": Said(
            ("แอร์น้ำหยด", "อินเทอร์เน็ตช้ามาก", "คืนเงินเมื่อไหร่", "ใบแจ้งหนี้ผิด", "ประตูปิดไม่ได้"),
            ("ร้องเรียน", "สอบถาม"),
            ("รายละเอียด", "ป้าย"),
        ),
    },
}


class Table(NamedTuple):
    """A table as it is saved."""

    language: str
    encoding: str
    about: str
    content: str

    @property
    def data(self) -> bytes:
        return self.content.encode(self.encoding)


def tables(half: Half, languages: Sequence[str] = tuple(ENCODINGS)) -> Iterator[Table]:
    """Of every language in each of its encodings: one sentence again and again or several, few rows or many, alone or beside plain columns."""
    shapes = list(product((5, 20, 200, 500), (1, 2, 5), (True, False), (True, False), (True, False)))
    for language in languages:
        own = TEXTS[language][half]
        for number, (rows, sentences, plain_columns, numbered, named) in enumerate(shapes):
            begin = number % len(own.said)
            said = [own.said[(begin + each) % len(own.said)] for each in range(sentences)]
            classes, header = (own.classes, own.header) if named else (("a", "b"), ("text", "kind"))
            about = f"{rows} rows of {sentences}, columns {plain_columns}, numbers {numbered}, classes {named}"
            content = "\r\n".join(_lines(said, rows, classes, header, plain_columns=plain_columns, numbered=numbered)) + "\r\n"
            if not content.isascii():
                yield from (Table(language, encoding, about, content) for encoding in ENCODINGS[language])


def _lines(
    said: Sequence[str], rows: int, classes: tuple[str, str], header: tuple[str, str], *, plain_columns: bool, numbered: bool
) -> Iterator[str]:
    yield ",".join(["id", *header, "email", "date"] if plain_columns else header)
    for row in range(rows):
        text = f"{said[row % len(said)]} ({row})" if numbered else said[row % len(said)]
        cells = [f'"{text}"', classes[row % 2]]
        yield ",".join([str(row), *cells, f"user{row}@example.org", f"2026-03-{1 + row % 28:02}"] if plain_columns else cells)
