"""Names in a store that is shared: made of parts that anybody may have chosen, and never two things' own.

Invariant: different parts give different names, and no part can reach out of its place in a name.
"""

from urllib.parse import quote


def joined(*parts: str) -> str:
    """Return the parts in one name, without any character that means something to Redis or to us.

    (Percent-encoding, RFC 3986 section 2.1. Surrogates pass: a JSON string may hold them alone.)
    """
    return ":".join(quote(part, safe="", errors="surrogatepass") for part in parts)
