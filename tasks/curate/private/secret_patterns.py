"""Keys, tokens and passwords in a text: the patterns of detect-secrets, and those that it lacks. Nothing is sent."""

import re
from collections.abc import Iterator

Span = tuple[int, int]

# High entropy alone is no sign in natural text, and a pattern without an anchor takes minutes for a hostile row:
# both stay out, and so do Artifactory's (capitals such as APFELSTRUDEL) and Cloudant's (any 64 hex digits).
PLUGINS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "mailchimp": "MailchimpDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
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
TOKEN = re.compile(r"[^\s\"'`<>]{16,}")
_TOKEN_BYTES = bytes(97 if chr(code).isalnum() or chr(code) in "_-./+=:@%" else 32 for code in range(128)) + b" " * 128
_LONG = b"a" * 16
KEYWORDS = (b"pass", b"pwd", b"secret", b"bearer", b"token", b"key")


class SecretPatterns:
    """Finds secrets; compiled once."""

    def __init__(self) -> None:
        from importlib import import_module

        from detect_secrets.plugins.jwt import JwtTokenDetector

        classes = [getattr(import_module(f"detect_secrets.plugins.{at}"), name) for at, name in PLUGINS.items()]
        self._pattern = _any_of([PREFIXED, *(pattern for plugin in classes for pattern in plugin.denylist)])
        self._is_jwt = JwtTokenDetector.is_formally_valid

    def spans(self, text: str, raw: bytes) -> Iterator[Span]:
        """Where secrets stand; `raw` is the text in UTF-8. Only its long words and its assignments are searched."""
        if has_long_word(raw):
            for token in TOKEN.finditer(text):
                yield from self._in_token(token[0], token.start())
            yield from (match.span() for match in PEM.finditer(text))
        lowered = raw.lower()
        if any(keyword in lowered for keyword in KEYWORDS):
            yield from (match.span("value") for match in ASSIGNED.finditer(text))

    def _in_token(self, token: str, start: int) -> Iterator[Span]:
        yield from ((start + match.start(), start + match.end()) for match in self._pattern.finditer(token))
        for match in JWT.finditer(token):
            if self._is_jwt(match[0].rstrip(".")):
                yield start + match.start(), start + match.end()


def has_long_word(raw: bytes) -> bool:
    """Whether a word is long enough to be a key."""
    return _LONG in raw.translate(_TOKEN_BYTES)


def _any_of(patterns: list[re.Pattern[str]]) -> re.Pattern[str]:
    """One pattern for all: a word is gone through once."""
    return re.compile("|".join(f"(?{'i' if pattern.flags & re.I else ''}:{pattern.pattern})" for pattern in patterns))
