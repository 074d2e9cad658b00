"""Match names with the regular expression of a dataset file, in bounded time.

The module `re` needs time exponential in the length of the name for some patterns, `(a+)+b` for example. The library
`regex` understands the same patterns and stops after a time limit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

from manifests.strict import InvalidValue

# A pattern for names takes microseconds.
LONGEST_SECONDS = 1.0
SHOWN = 60  # characters of a name in a message


def match_name(pattern: str, name: str) -> re.Match[str] | None:
    """The match of a whole name with `pattern`, None if the name does not fit.

    Raises InvalidValue for a pattern that takes longer than LONGEST_SECONDS, and for one that is no regular expression.

    >>> match = match_name("(?P<action>[a-z]+)_[0-9]+", "wave_12")
    >>> match["action"], match_name("[0-9]+", "wave_12")
    ('wave', None)
    """
    try:
        return cast("re.Match[str] | None", _compiled(pattern).fullmatch(name, timeout=LONGEST_SECONDS))
    except TimeoutError as error:
        rule = f"takes more than {LONGEST_SECONDS:g} s to match `{name[:SHOWN]}`"
        remedy = "Remove the repetition of what is repeated itself, such as (a+)+"
        raise InvalidValue(f"pattern `{pattern}` {rule}. {remedy}.") from error


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Any:
    import regex

    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise InvalidValue(f"pattern `{pattern}` is not a regular expression: {error}") from error
