from __future__ import annotations

from server.monitor.redact import redacted


def test_what_identifies_somebody_goes_and_the_language_stays() -> None:
    text = (
        "Frau Weber (anna.weber@example.com, Tel. 0221 4711) zahlte am 3.5. auf DE89370400440532 "
        "12,50 Euro, siehe https://example.com/k?id=9 und sagte: „Ich werde das nie wieder tun.“ "
        "`rm -rf` sk-abc123"
    )
    assert " ".join(redacted(text).split()) == (
        "Frau Weber ( , Tel. 0000 0000) zahlte am 0.0. auf … 00,00 Euro, siehe und sagte: sk-…"
    )
