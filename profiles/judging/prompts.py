"""English prompts for judging, written for this project: questions, and facts to find again."""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM = "You are a helpful assistant. Give short, friendly answers."

QUESTIONS = (
    "How do I keep fresh herbs from going bad?",
    "Why does the moon look larger near the horizon?",
    "What should I see first in a city I have never been to?",
    "How can I learn to play the guitar as an adult?",
    "What is the difference between a crocodile and an alligator?",
    "Can you suggest a name for a small grey cat?",
    "How does a lighthouse help ships at night?",
    "What is a good present for a friend who likes gardening?",
    "Why do leaves change their colour in autumn?",
    "How do I remove a coffee stain from a shirt?",
    "What makes a good teacher?",
    "How was paper made before there were machines?",
    "What should I take along on a long walk in the mountains?",
    "Why do some people sleep badly when the moon is full?",
    "How do bees find their way back to the hive?",
    "Tell me something surprising about octopuses.",
)


@dataclass(frozen=True)
class Fact:
    """A passage, a question about it, and what every right answer holds in any language.

    Attributes:
        passage: a few English sentences.
        question: what to ask about them.
        answer: digits, which all languages write alike.
    """

    passage: str
    question: str
    answer: str


# One passage, question and answer that show what is wanted: a whole sentence.
EXAMPLE = (
    "The market opens at 6 in the morning and closes at noon.\n"
    "Question: When does the market open?\n"
    "Answer: The market opens at 6 in the morning.\n\n"
)

FACTS = (
    Fact(
        "The stone bridge was finished in 1847. It has five arches.",
        "When was the bridge finished?",
        "1847",
    ),
    Fact(
        "The library owns 36,500 books and lends them for free.",
        "How many books does the library own?",
        "36500",
    ),
    Fact(
        "Flight 482 to the island leaves from the small terminal.",
        "What is the number of the flight?",
        "482",
    ),
    Fact(
        "The tower is 93 metres high and can be seen from the harbour.",
        "How many metres high is the tower?",
        "93",
    ),
    Fact(
        "The choir has 58 singers, most of them students.",
        "How many singers are in the choir?",
        "58",
    ),
    Fact(
        "The painter was born in 1902 in a village near the lake.",
        "In which year was the painter born?",
        "1902",
    ),
    Fact(
        "A ticket for the boat costs 27 crowns, and children travel free.",
        "How many crowns does a ticket cost?",
        "27",
    ),
    Fact(
        "The tunnel is 614 metres long and was dug by hand.",
        "How many metres long is the tunnel?",
        "614",
    ),
    Fact(
        "Room 315 is at the end of the corridor, beside the stairs.",
        "Which room is at the end of the corridor?",
        "315",
    ),
    Fact(
        "The comet was seen in 1758, and again many years later.",
        "In which year was the comet first seen?",
        "1758",
    ),
    Fact(
        "The marathon had 2,340 runners from many countries.",
        "How many runners did the marathon have?",
        "2340",
    ),
    Fact(
        "The oldest oak in the park is 460 years old.",
        "How many years old is the oldest oak?",
        "460",
    ),
)
