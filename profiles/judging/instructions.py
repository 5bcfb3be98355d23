"""Plain instructions to write in a language: the baseline every user tries first."""

from __future__ import annotations

from profiles.judging.identify import primary

# Tag: its English name, and the instruction in the language itself.
_LANGUAGES = {
    "ar": ("Arabic", "أجب باللغة العربية."),
    "cs": ("Czech", "Odpověz česky."),
    "da": ("Danish", "Svar på dansk."),
    "de": ("German", "Antworte auf Deutsch."),
    "el": ("Greek", "Απάντησε στα ελληνικά."),
    "en": ("English", "Answer in English."),
    "es": ("Spanish", "Responde en español."),
    "fi": ("Finnish", "Vastaa suomeksi."),
    "fr": ("French", "Réponds en français."),
    "hi": ("Hindi", "हिन्दी में उत्तर दें।"),
    "it": ("Italian", "Rispondi in italiano."),
    "ja": ("Japanese", "日本語で答えてください。"),
    "ko": ("Korean", "한국어로 대답해 주세요."),
    "nl": ("Dutch", "Antwoord in het Nederlands."),
    "pl": ("Polish", "Odpowiedz po polsku."),
    "pt": ("Portuguese", "Responda em português."),
    "ru": ("Russian", "Отвечай по-русски."),
    "sv": ("Swedish", "Svara på svenska."),
    "tr": ("Turkish", "Türkçe cevap ver."),
    "uk": ("Ukrainian", "Відповідай українською."),
    "zh": ("Chinese", "请用中文回答。"),
}


def language_name(tag: str) -> str | None:
    """The English name of a tag's language, None where it is not listed here."""
    return _LANGUAGES[primary(tag)][0] if primary(tag) in _LANGUAGES else None


def instruction(tag: str) -> str | None:
    """ "Answer in German." """
    name = language_name(tag)
    return name and f"Answer in {name}."


def prohibition(tag: str) -> str | None:
    """ "Do not answer in German." """
    name = language_name(tag)
    return name and f"Do not answer in {name}."


def native_instruction(tag: str) -> str | None:
    """ "Antworte auf Deutsch." """
    return _LANGUAGES[primary(tag)][1] if primary(tag) in _LANGUAGES else None
