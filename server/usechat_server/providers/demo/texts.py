"""What the demo model thinks and says. Markdown, as a real model writes it."""

from __future__ import annotations

import base64

from usechat_server.providers.demo.script_events import Show

__all__ = ["lighthouse", "long_answer"]

TOOL_THOUGHT = """\
I cannot know this myself, but the page can: it offers the tool `{name}`. I call it and go on with \
what it answers."""

OTHER_THOUGHT = """\
This is not one of the questions that I know. I say who I am, and what I can be asked for."""

INTRODUCTION = """\
You wrote:

> {question}

I am the **demo model** of usechat-server: no key, no network, the same answer every time. \
Set `ANTHROPIC_API_KEY` and start the server again to talk to Claude.

Until then, ask me for one of these:

- **code, maths and a table**: Markdown that is drawn while it comes
- **five dice**: a tool whose output grows as it runs
- **the weather** in Lisbon, Oslo and Atlantis: calls side by side, of which one fails
- **a plan** for a day in Lisbon: several steps
- **a postcard** to Ada: a call that waits for your approval
- **the time**: a tool that your browser answers
- **the history of tea**: sources, and citations
- **a picture**, or what is in a file of yours: attach one
- **a long answer**: press Stop in the middle of it, or reload the page
- **an error**: the provider breaks off half-way, and Retry asks again
"""

MARKDOWN_THOUGHT = """\
They want to see Markdown. A heading, a list, a block of code, a formula and a table cover what \
people use most, so I show one of each.

What should they be about? The way of an answer from the model to this page: whoever asks the demo \
model for Markdown is most likely looking at exactly that.

I keep each of them short, so that it is easy to see how they arrive piece by piece. A quote at \
the end says what to look for, and a link says where the rest is written down."""

MARKDOWN = """\
## From a model to the page

1. The model sends a few characters at a time.
2. The server turns them into **chunks** of the UI message stream.
3. `useChat` adds them up to a *message*, and the page draws it.

A whole backend:

```python
from usechat_server import Agent, create_app

app = create_app(Agent("claude-sonnet-5-5", system="Be brief."))
```

What the page gets for one answer:

| Chunk | What it means | How many |
|---|---|---:|
| `start` | an answer begins | 1 |
| `reasoning-delta` | a piece of what the model thinks | many |
| `text-delta` | a piece of the answer | many |
| `finish` | why the model stopped | 1 |

How long it takes is soon said: with $$n$$ tokens at a rate of $$r$$ a second,

$$
t = t_\\text{first} + \\sum_{i=1}^{n} \\frac{1}{r_i} \\approx t_\\text{first} + \\frac{n}{r}
$$

> Nothing waits for the whole answer: what you see is drawn as it comes.

The [AI SDK's documentation](https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol) describes every \
chunk.
"""

DICE_THOUGHT = """\
Dice. I do not make numbers up: `roll_dice` does it properly, and says each one as it falls."""

DICE = "They fell like this: {rolls}. Together that is **{sum}**."

WEATHER_THOUGHT = """\
Several cities, and none of them needs to know of the others: I ask for all of them at once."""

WEATHER_TABLE = """\
Here is what I found. What failed I was told as well, so that I do not make it up:

| City | Now | Sky |
|---|---:|---|"""

PLAN_THOUGHT = """\
A day outside depends on the weather, so that comes first. What to look up depends on it."""

PLAN_SUNNY = "It is sunny, so the day belongs to the hills and the river. I look up where to walk."

PLAN_OTHERWISE = "The weather may turn, so I look up what is near to a roof."

PLAN = """\
## A day in Lisbon

1. **Morning**: climb before it gets warm.
2. **Noon**: something cold in the shade of a square.
3. **Evening**: the light on the river, from a ferry.

"""

PLAN_CITED = (
    "The old quarter on the hill is best seen on foot.",
    " When your legs are tired, the trams climb what you will not.",
)

LIBRARY_THOUGHT = """\
I should not answer this from memory. The library is small, but it says where things are from."""

LIBRARY = "This is what the library has:\n\n"

LIBRARY_CITED = (
    "Tea was drunk in China long before it was drunk anywhere else, as a medicine first.",
    " It came to Britain in the seventeenth century and stayed.",
    " White, green and black tea are leaves of one and the same plant.",
)

POSTCARD_THOUGHT = """\
Whatever is sent cannot be taken back, so that the tool waits until somebody allows it."""

POSTCARD = "I wrote a postcard. Have a look at it: it is sent when you approve."

POSTCARD_TEXT = "The sea is calm and the engines are running. Wish you were here."

POSTCARD_SENT = "It is on its way. (Not really: this demo has no stamps.)"

POSTCARD_DENIED = "I did not send it."

PICTURE_THOUGHT = """\
A picture is a file part of the answer. I have only one, and it is a lighthouse."""

PICTURE = "Here is the one picture that I know how to draw:"

FILES_THOUGHT = """\
There are files with the question. I cannot read like Claude does, but I can say what arrived."""

ERROR_THOUGHT = """\
They want to see a failure. I begin an answer and break off, as an overloaded provider does."""

BEFORE_ERROR = "Here is the beginning of an answer that does not"

AFTER_RETRY = """\
This time it worked. The first try broke off on purpose, half-way through its answer. **Retry** \
dropped that half and sent your question again.
"""

LONG_THOUGHT = """\
A long answer: eight sections of a few sentences are enough to scroll, and to press Stop."""

_CITIES = (
    ("Lisbon", "the light comes off the river", "a tram in a street too steep for it"),
    ("Trieste", "the wind has a name", "coffee in a glass, drunk standing up"),
    ("Kyoto", "the temples keep their quiet", "a garden of raked gravel"),
    ("Valparaíso", "the houses hold on to the hills", "a lift older than its passengers"),
    ("Tallinn", "the towers wear red hats", "a bakery below the city wall"),
    ("Oaxaca", "the markets smell of chocolate", "a workshop that dyes wool with insects"),
    ("Hobart", "the mountain starts behind the shops", "a ferry full of bicycles"),
    ("Bergen", "it rains, and nobody minds", "a funicular that ends in a forest"),
)


def long_answer() -> str:
    """Ten seconds or more at a real model's speed."""
    sections = [
        f"### {number}. {city}\n\n"
        f"Go to **{city}** because {reason}. Arrive in the morning, before the streets fill, and "
        "leave the first hour without a plan: a city shows itself best to somebody who is not "
        f"looking for anything. Then find this: {sight}. Ask the person beside you about it, and "
        "you will hear a story that is in no guide.\n"
        for number, (city, reason, sight) in enumerate(_CITIES, start=1)
    ]
    title = "## Eight cities for a slow journey\n"
    return "\n".join([title, *sections, "That is the whole list. *Safe travels.*"])


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 320" width="480" height="320">
<rect width="480" height="320" fill="#16324a"/>
<circle cx="400" cy="60" r="26" fill="#f6e9c4"/>
<path d="M236 92 0 20v120z" fill="#f6e9c4" opacity=".25"/>
<path d="M212 300l12-196h32l12 196z" fill="#f4f1ea"/>
<path d="M218.500 194h43l2 34h-47zM214.500 262h51l2.300 38h-55.600z" fill="#c9432f"/>
<path d="M220 104h40v-8h-40z" fill="#c9432f"/>
<path d="M228 96V76h24v20z" fill="#ffd76a"/>
<path d="M222 76l18-18 18 18z" fill="#c9432f"/>
<path d="M0 284q60-18 120 0t120 0 120 0 120 0v36H0z" fill="#2c6e8f"/>
<path d="M0 300q60-14 120 0t120 0 120 0 120 0v20H0z" fill="#1f5573"/>
</svg>"""


def lighthouse() -> Show:
    """A lighthouse at night, as an SVG."""
    content = base64.b64encode(_SVG.encode()).decode()
    return Show("image/svg+xml", f"data:image/svg+xml;base64,{content}")
