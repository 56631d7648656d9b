"""Keys, tokens and passwords in a text: the patterns of detect-secrets, and those that it lacks. Nothing is sent."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import chain

Span = tuple[int, int]

# High entropy alone is no sign in natural text, and a pattern without an anchor takes minutes for a hostile row:
# both stay out, and so do Artifactory's (capitals such as APFELSTRUDEL) and Cloudant's (any 64 hex digits).
PLUGINS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "mailchimp": "MailchimpDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
}
LONG_PLUGINS = {  # of keys without a prefix of their own, in which LONGEST_WORD characters and more stand in a row
    "discord": "DiscordBotTokenDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
PREFIXES = (  # what the issuer writes in front of a token, so that it is found
    r"sk-(?=[\w-]{0,200}\d)",  # OpenAI, Anthropic, DeepSeek, OpenRouter
    r"[rs]k_(?:live|test)_",
    "whsec_",
    r"github_pat_",
    r"gh[opsur]_",
    "hf_",
    "gsk_",
    "xai-",
    "r8_",
    "nvapi-",
    "pplx-",
    "tgp_v1_",
    r"AIza",
    r"ya29\.",
    "GOCSPX-",
    r"xapp-\d-",
    r"xox[abeoprs]-",
    r"npm_",
    r"dapi(?=[0-9a-f]{32})",
    "dop_v1_",
    "shp(?:at|ca|pa|ss)_",
    r"ATATT3",
    "lin_api_",
    r"hv[sb]\.",
    "AKCp",
    "glpat-",
    "AGE-SECRET-KEY-1",
)
PREFIXED = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(PREFIXES)})[\w-]{{16,400}}", re.ASCII)
JWT = re.compile(r"(?<![\w.-])eyJ[\w-]{8,4000}\.[\w-]{4,8000}(?:\.[\w-]{0,2000})?", re.ASCII)
PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}"
    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)
ASSIGNED = re.compile(  # password: hunter22, "api_key" = "...", my token is ...
    r"(?<![a-z])(?:(?:pass(?:word|wort|code|phrase|wd)|pwd|secret|token|(?:api|access|account|secret)[ _-]?key)"
    r"[\"'`]?\s{0,3}(?:=>|[:=]|\bis\b)|bearer\s)\s{0,3}[\"'`]?"
    r"(?=[^\s\"'`]{0,60}\d)(?=[^\s\"'`]{0,60}[a-z])(?P<value>[^\s\"'`<>{}$*,;()\[\]]{8,200})",
    re.IGNORECASE,
)
# One of these stands in whatever the prefixes, the plugins and the two patterns above find; in small letters.
_SIGNS = (
    "sk- k_live_ k_test_ whsec_ github_pat_ gho_ ghp_ ghs_ ghu_ ghr_ hf_ gsk_ xai- r8_ nvapi- pplx- tgp_v1_ aiza ya29."
    " gocspx- xapp- xox npm_ dapi dop_v1_ shpat_ shpca_ shppa_ shpss_ atatt3 lin_api_ hvs. hvb. akcp age-secret-key"
    " a3t abia acca akia asia aws accountkey= @ glpat- gldt- glft- glsoat- glrt- gr1348941 glcbt- glimt- glptt-"
    " glagent- gloas- -us -begin putty pypi- sg. slack sq0csp- eyj"
)
SIGNS = _SIGNS.split()
TOKEN = re.compile(r"[^\s\"'`<>]{16,}")
_TOKEN_BYTES = bytes(97 if chr(code).isalnum() or chr(code) in "_-./+=:@%" else 32 for code in range(128)) + b" " * 128
_KEY_BYTES = bytes(97 if chr(code).isalnum() or chr(code) in "_-" else 32 for code in range(128)) + b" " * 128
LONG_WORD, LONGEST_WORD = b"a" * 16, b"a" * 27
KEYWORDS = ("pass", "pwd", "secret", "bearer", "token", "key")


class SecretPatterns:
    """Finds secrets; compiled once."""

    def __init__(self) -> None:
        from detect_secrets.plugins.jwt import JwtTokenDetector

        self._signed = _any_of([PREFIXED, *patterns(PLUGINS)])
        self._long = patterns(LONG_PLUGINS)  # apart: `re` skips to where one can begin
        self._is_jwt = JwtTokenDetector.is_formally_valid

    def in_long_words(self, text: str, raw: bytes) -> Iterator[Span]:
        """Where keys stand in a text with a long word; `raw` is the text in UTF-8. Most have no sign of a key."""
        is_signed = any(map(text.lower().__contains__, SIGNS))
        if is_signed:
            yield from (match.span() for match in PEM.finditer(text))
        searched = [self._signed, JWT] if is_signed else []
        searched += self._long if LONGEST_WORD in raw.translate(_KEY_BYTES) else []
        for token in TOKEN.finditer(text) if searched else ():
            for match in chain.from_iterable(pattern.finditer(token[0]) for pattern in searched):
                if match.re is not JWT or self._is_jwt(match[0].rstrip(".")):
                    yield token.start() + match.start(), token.start() + match.end()

    def assigned(self, text: str) -> Iterator[Span]:
        """Where a password or a key stands behind its name."""
        is_named = any(map(text.lower().__contains__, KEYWORDS))
        return (match.span("value") for match in ASSIGNED.finditer(text)) if is_named else iter(())


def has_long_word(raw: bytes) -> bool:
    """Whether a word is long enough to be a key."""
    return len(raw) >= len(LONG_WORD) and LONG_WORD in raw.translate(_TOKEN_BYTES)


def patterns(plugins: Mapping[str, str]) -> list[re.Pattern[str]]:
    """The patterns of detect-secrets' plugins: module -> class."""
    classes = [getattr(import_module(f"detect_secrets.plugins.{at}"), name) for at, name in plugins.items()]
    return [pattern for plugin in classes for pattern in plugin.denylist]


def _any_of(patterns: list[re.Pattern[str]]) -> re.Pattern[str]:
    """One pattern for all: a word is gone through once."""
    return re.compile("|".join(f"(?{'i' if pattern.flags & re.I else ''}:{pattern.pattern})" for pattern in patterns))
