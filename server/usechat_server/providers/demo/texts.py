"""The texts of the demo model: reasoning, and responses in Markdown."""

from __future__ import annotations

import base64

from usechat_server.providers.demo.script_events import ShowFile

__all__ = ["lighthouse", "long_response"]

TOOL_THOUGHT = """\
I do not know this myself, but there is a tool for it: `{name}`. I call it and continue with its \
result."""

OTHER_THOUGHT = """\
This is not one of the prompts that I know. I introduce myself and list what I can do."""

INTRODUCTION = """\
You wrote:

> {question}

I am the **demo model** of usechat-server: no API key, no network, the same responses every time. \
Set `ANTHROPIC_API_KEY` and restart the server to talk to Claude.

Until then, ask me for one of these:

- **code, maths and a table**: Markdown that is rendered while it streams
- **five dice**: a tool that streams its output
- **the weather** in Lisbon, Oslo and Atlantis: parallel tool calls, one of which fails
- **a plan** for a day in Lisbon: several steps
- **a postcard** to Ada: a tool call that needs your approval
- **the time**: a tool that runs in your browser
- **the history of tea**: sources and citations
- **a picture**, or attach a file to see what the model receives
- **a long answer**: press Stop while it streams, or reload the page
- **an error**: the response fails halfway, and Retry repeats it
"""

MARKDOWN_THOUGHT = """\
They want to see Markdown. A heading, a list, a code block, a formula and a table are the most \
common elements, so I show one of each.

What should the content be? Anyone who asks the demo model for Markdown is probably interested in \
how a response gets from the model to the browser, so I explain that.

I keep each element short, so that it is easy to see it arrive piece by piece. A quote at the end \
says what to look for, and a link leads to the documentation."""

MARKDOWN = """\
## From the model to the browser

1. The model sends a few characters at a time.
2. The server turns them into **chunks** of the UI message stream.
3. `useChat` turns the chunks into a *message*, and React renders it.

A complete backend:

```python
from usechat_server import Agent, create_app

app = create_app(Agent("claude-sonnet-5-5", system="Be brief."))
```

The chunks of one response:

| Chunk | Meaning | Count |
|---|---|---:|
| `start` | the response begins | 1 |
| `reasoning-delta` | a piece of the model's reasoning | many |
| `text-delta` | a piece of the text | many |
| `finish` | why the model stopped | 1 |

A response of $$n$$ tokens, at $$r$$ tokens per second, takes

$$
t = t_\\text{first} + \\sum_{i=1}^{n} \\frac{1}{r_i} \\approx t_\\text{first} + \\frac{n}{r}
$$

> Nothing waits for the end of the response: everything is rendered as it arrives.

The [AI SDK's documentation](https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol) describes every \
chunk.
"""

DICE_THOUGHT = """\
I should not make up random numbers: `roll_dice` rolls real ones, and streams each result."""

DICE = "You rolled {rolls}. The total is **{sum}**."

WEATHER_THOUGHT = """\
The cities do not depend on each other, so I call the weather tool for all of them in parallel."""

WEATHER_TABLE = """\
Here is the weather. I also get the errors of failed calls, so I do not have to make anything up:

| City | Now | Sky |
|---|---:|---|"""

PLAN_THOUGHT = """\
A day outside depends on the weather, so I check that first. What I look up depends on it."""

PLAN_SUNNY = "It is sunny, so the day is for the hills and the river. Let me look up where to walk."

PLAN_OTHERWISE = "The weather may change, so let me look up what is close to shelter."

PLAN = """\
## A day in Lisbon

1. **Morning**: climb before it gets warm.
2. **Noon**: something cold in the shade of a square.
3. **Evening**: the light on the river, from a ferry.

"""

PLAN_CITED = (
    "The old quarter on the hill is best seen on foot.",
    " When your legs are tired, the trams climb the hills for you.",
)

LIBRARY_THOUGHT = """\
I should not answer this from memory. The library is small, but it names its sources."""

LIBRARY = "This is what the library says:\n\n"

LIBRARY_CITED = (
    "Tea was drunk in China long before it was drunk anywhere else, as a medicine first.",
    " It came to Britain in the seventeenth century and stayed.",
    " White, green and black tea are leaves of the same plant.",
)

POSTCARD_THOUGHT = """\
A postcard cannot be taken back once it is sent, so the tool waits for the user's approval."""

POSTCARD = "I wrote a postcard. Please review it: it is sent when you approve."

POSTCARD_TEXT = "The sea is calm and the engines are running. Wish you were here."

POSTCARD_SENT = "It is on its way. (Not really: this demo has no stamps.)"

POSTCARD_DENIED = "I did not send it."

PICTURE_THOUGHT = """\
A picture is a file part of the response. I have only one, a lighthouse."""

PICTURE = "Here is the only picture that I can draw:"

FILES_THOUGHT = """\
The message has files. I cannot read them as Claude does, but I can list what arrived."""

ERROR_THOUGHT = """\
They want to see a failure. I begin a response and then fail, as an overloaded provider does."""

BEFORE_ERROR = "Here is the beginning of a response that does not"

AFTER_RETRY = """\
This time it worked. The first attempt failed on purpose, halfway through its response. **Retry** \
removed that half and sent your message again.
"""

LONG_THOUGHT = """\
A long answer: eight short sections are enough to scroll, and to press Stop."""

_CITIES = (
    ("Lisbon", "the light comes off the river", "a tram in a street too steep for it"),
    ("Trieste", "the wind has a name", "coffee in a glass, drunk standing up"),
    ("Kyoto", "the temples keep their quiet", "a garden of raked gravel"),
    ("Valparaíso", "the houses hold on to the hills", "a lift older than its passengers"),
    ("Tallinn", "the towers wear red hats", "a bakery below the city wall"),
    ("Oaxaca", "the markets smell of chocolate", "a workshop that dyes wool with insects"),
    ("Hobart", "the mountain starts behind the shops", "a ferry full of bicycles"),
    ("Bergen", "the rain never keeps anyone indoors", "a funicular that ends in a forest"),
)


def long_response() -> str:
    """Return a text that takes ten seconds or more at a real model's speed."""
    sections = [
        f"### {number}. {city}\n\n"
        f"Go to **{city}** because {reason}. Arrive in the morning, before the streets fill, and "
        "leave the first hour without a plan: a city shows itself best to visitors who are not "
        f"looking for anything. Then find this: {sight}. Ask the locals about it, and you will "
        "hear a story that is in no guide.\n"
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


def lighthouse() -> ShowFile:
    """Return a picture of a lighthouse at night, as an SVG."""
    content = base64.b64encode(_SVG.encode()).decode()
    return ShowFile("image/svg+xml", f"data:image/svg+xml;base64,{content}")
