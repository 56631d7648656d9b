"""Pairs that look alike and are no leak: what they share is boilerplate, a form or a matter, never a text."""

from tests.planted.kinds import Kind, Pair
from tests.planted.message import Message, Voice

FRAMED, FOOTED = 0.6, 0.8  # share of the words that the two have in common


def same_frame(voice: Voice) -> Pair:
    """Greeting and closing shared, about 60 % of the words; each a core of its own."""
    shared, chance = voice.language.shared, voice.chance
    return _around(voice, Message((), chance.choice(shared.greetings), chance.choice(shared.closings)), FRAMED)


def same_frame_and_footer(voice: Voice) -> Pair:
    """The same with a long footer, about 80 % of the words."""
    shared, chance = voice.language.shared, voice.chance
    blocks = (chance.choice(part) for part in (shared.greetings, shared.closings, shared.footers))
    return _around(voice, Message((), *blocks), FOOTED)


def same_form(voice: Voice) -> Pair:
    """One form, filled in twice."""
    return _form(voice), _form(voice)


def same_intent(voice: Voice) -> Pair:
    """One matter, said in other words, amid other words."""
    trained, judged = voice.chance.choice(voice.language.intents)
    return _matter(voice, trained), _matter(voice, judged)


def _around(voice: Voice, frame: Message, share: float) -> Pair:
    own = round(len(frame.text.split()) * (1 - share) / share)
    return frame.saying(voice.words(own)), frame.saying(voice.words(own))


def _form(voice: Voice) -> str:
    *labels, matter = voice.language.shared.form
    fields = []
    for at, label in enumerate(labels):
        value = (voice.number(), voice.name(), " ".join(voice.words(3 + at % 4)))[at % 3]
        fields.append(f"{label} {value}")
    return "\n".join([*fields, f"{matter} {' '.join(voice.words(voice.chance.randrange(20, 50)))}"])


def _matter(voice: Voice, sayings: tuple[str, ...]) -> str:
    before, after = (voice.words(voice.chance.randrange(5, 20)) for _side in "ab")
    return " ".join([*before, voice.chance.choice(sayings), *after])


HARD_NEGATIVES: dict[str, Kind] = {
    "same frame": same_frame,
    "same frame and footer": same_frame_and_footer,
    "same form": same_form,
    "same intent": same_intent,
}
