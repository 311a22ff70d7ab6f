"""Checks a rules file as `shorewall check` does: conditions, variables, continuation lines, scripts, included files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from sarkmock.pbx.shorewall import rules
from sarkmock.pbx.shorewall.columns import split_columns
from sarkmock.pbx.shorewall.expressions import Value, evaluated, is_true, perl_text
from sarkmock.pbx.shorewall.lists import GUNK, SPACE, BadRule, Undecided, compiled, words
from sarkmock.pbx.shorewall.site import Exhausted, Mistake, Site

WORK = 40_000  # microseconds, approximately
LINE = 4  # microseconds for a line
MOST_LINES = WORK // LINE  # of these or fewer, all that is checked
INCLUDED_FROM = 20
SECTIONS = ("ALL", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "NEW")
ESCAPED_COMMENT = re.compile(r"\\\s*#", re.ASCII)
IS_DIRECTIVE = re.compile(r"[ \t\f\v\r]*\?(?:IF|ELSE|ELSIF|ENDIF|SET|RESET|FORMAT|COMMENT|ERROR|WARNING|INFO|REQUIRE)",
                          re.IGNORECASE)
DIRECTIVE = re.compile(r"\s*\?(IF\s+|ELSE|ELSIF\s+|ENDIF|SET\s+|RESET\s+|FORMAT\s+|COMMENT\s*|ERROR\s+|WARNING\s+"
                       r"|INFO\s+|WARNING!\s+|INFO!\s+|REQUIRE\s+)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
EMBEDDED_BEGIN = re.compile(r"\s*\??BEGIN\s+(PERL|SHELL)\s*;?(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
INLINE_SCRIPT = re.compile(r"\s*(?:\??PERL|\?SHELL)|\s*SHELL\s", re.IGNORECASE | re.ASCII)
EMPTY_SCRIPT = re.compile(r"\s*\??PERL\s*", re.IGNORECASE | re.ASCII)
END = {kind: re.compile(rf"\s*\??END(\s+{kind})?\s*(?:;\s*)?(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
       for kind in ("PERL", "SHELL")}
INCLUDE = compiled(r"\s*\??INCLUDE\s.*")
SECTION = re.compile(r"\s*\?SECTION\s+(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
SHELL_VARIABLE = re.compile(r"\$(?:\{(\d+|[a-zA-Z_]\w*)\}|(\d+|[a-zA-Z_]\w*))", re.ASCII)
CAPABILITY = re.compile(r"__(?:\{(\w+)\}|(\w+))", re.ASCII)
MOST_VARIABLES = 100
LONGEST_VALUE = 10_000
BOX_VARIABLES = frozenset(
    [
        "PATH", "HOME", "PWD", "USER", "LOGNAME", "SHELL", "PRODUCT", "BUILD", "HOST", "PREFIX", "SHAREDIR",
        "LIBEXECDIR", "PERLLIBDIR", "CONFDIR", "SBINDIR", "MANDIR", "INITDIR", "INITFILE", "INITSOURCE", "ANNOTATED",
        "SYSCONFFILE", "SERVICEFILE", "SYSCONFDIR", "SERVICEDIR", "SPARSE", "VARLIB", "VARDIR", "STOPSERVICEFILE"])


class MistakeFound(Exception):
    """Ends the check at the first mistake."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake)
        self.mistake = mistake


def first_mistake(lines: Iterable[str], site: Site) -> Mistake | None:
    """Return the first mistake in the rules of the section NEW, or None.

    Lines that depend on the box's scripts, users or name server are accepted, and so is everything after the first
    few thousand rules.
    """
    try:
        RulesReader(site).read(lines, "")
    except MistakeFound as found:
        return found.mistake
    except Exhausted:
        pass
    return None


@dataclass(slots=True)
class Condition:
    """An open ?IF: whether lines were omitted before it, and whether a branch of it was taken."""

    keyword: str
    outer: bool
    taken: bool
    line: int


class RulesReader:
    """Reads a rules file and the files that it includes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = rules.RuleSession(site, WORK)
        names = words(site.version)
        self.variables: dict[str, str | None] = {
            **dict.fromkeys(BOX_VARIABLES | names.options), "LOG_LEVEL": "info", **site.variables, "FW": site.firewall}
        self.conditions: list[Condition] = []
        self.omitting = False
        self.depth = 0

    def read(self, lines: Iterable[str], file: str) -> None:
        open_before = len(self.conditions)
        Lines(self, lines, file, open_before).read()
        if len(self.conditions) > open_before:
            begun = self.conditions[-1].line
            raise MistakeFound(Mistake(None, f'Missing "?ENDIF" to match ?IF at line number {begun}', file))

    def entry(self, text: str) -> None:
        """Check a line with content: a rule, a section or an INCLUDE."""
        text = self.expanded(text)
        self.session.spend(10 + len(text) // 2)
        if INCLUDE.fullmatch(text):
            self.include(text.split())
        elif match := SECTION.fullmatch(text):
            self.section(match[1])
        else:
            if GUNK.search(text):
                raise BadRule("Non-ASCII gunk in file")
            row, raw = split_columns(text)
            rules.check_rule(row, raw, self.session)

    def include(self, parts: list[str]) -> None:
        if len(parts) != 2:
            raise BadRule("Invalid INCLUDE command")
        if self.depth >= INCLUDED_FROM - 1:
            raise BadRule("INCLUDEs/Scripts nested too deeply")
        name = parts[1]
        lines = self.site.file(name)
        if lines is None:
            raise BadRule(f"INCLUDE file {name} not found")
        self.depth += 1
        self.read(lines, name)
        self.depth -= 1

    @staticmethod
    def section(name: str) -> None:
        """Reject every section: the API's rules are included after ?SECTION NEW, which is the last."""
        if not re.fullmatch(r"[-\w]+", name, re.ASCII):
            raise BadRule(f"Invalid SECTION name ({name})")
        raise BadRule(f"Duplicate or out of order SECTION {name}" if name in SECTIONS else f"Invalid SECTION ({name})")

    def expanded(self, text: str, unknown: bool = False) -> str:
        """Return a line with its variables expanded."""
        return self.with_values(text, lambda match: self.value(match[1] or match[2], unknown))

    def with_values(self, text: str, value_of: Callable[[re.Match[str]], str]) -> str:
        for _ in range(MOST_VARIABLES + 1):
            match = SHELL_VARIABLE.search(text)
            if match is None:
                return text
            text = self.substituted(text, match, value_of(match))
        raise BadRule("Variable Expansion Loop")

    def value(self, name: str, unknown: bool) -> str:
        if name.isdecimal():
            raise BadRule(f"Action parameters (${name}) may only be referenced within the body of an action")
        if name not in self.variables and not unknown:
            raise BadRule(f"Undefined shell variable (${name})")
        value = self.variables.get(name, "")
        if value is None:
            raise Undecided
        return value

    @staticmethod
    def substituted(text: str, match: re.Match[str], value: str) -> str:
        if len(value) + len(text) > LONGEST_VALUE and value:
            raise Undecided
        return text[:match.start()] + value + text[match.end():]

    def expression(self, text: str) -> Value:
        """Return the value of an expression in ?IF and ?SET."""
        if match := re.fullmatch(r"(!)?\s*passed\([$@](\d+)\)", text, re.ASCII):
            return 1 if match[1] else ""
        text = self.with_values(text, self.quoted)
        for _ in range(MOST_VARIABLES):
            capability = CAPABILITY.search(text)
            if capability is None:
                return evaluated(text.strip(SPACE))
            text = self.substituted(text, capability, self.capability(capability[1] or capability[2]))
        raise Undecided

    def quoted(self, match: re.Match[str]) -> str:
        """Return a variable's value for an expression, quoted unless it is a number or already inside quotes."""
        name, before = match[1] or match[2], match.string[:match.start()]
        is_capability = name in words(self.site.version).capabilities and name not in self.variables
        value = "1" if is_capability else self.value(name, unknown=True)
        bare = re.fullmatch(r"-?\d+", value, re.ASCII) or before.count('"') % 2 or before.count("'") % 2
        return value if bare else f"'{value}'"

    def capability(self, name: str) -> str:
        if name in ("IPV4", "IPV6"):
            return "1" if name == f"IPV{self.site.version}" else "0"
        if name not in words(self.site.version).capabilities:
            raise BadRule(f"Unknown capability ({name})")
        return "0" if name.startswith("OLD_") else "1"


class Lines:
    """The lines of one file."""

    def __init__(self, reader: RulesReader, lines: Iterable[str], file: str, open_before: int) -> None:
        self.reader, self.lines, self.file, self.open_before = reader, lines, file, open_before
        self.held: list[str] = []
        self.begun = 0
        self.script = ""

    def read(self) -> None:
        for number, line in enumerate(self.lines, 1):
            try:
                self.reader.session.spend(LINE + len(line) // 16)
                self.line(number, line)
            except Undecided:
                self.held = []
            except BadRule as wrong:
                place = number if IS_DIRECTIVE.match(line) else self.begun
                raise MistakeFound(Mistake(place, str(wrong), self.file)) from None
        if self.script:
            raise MistakeFound(Mistake(self.begun, f"Missing END {self.script}", self.file))

    def line(self, number: int, line: str) -> None:
        if IS_DIRECTIVE.match(line):
            self.directive(line, number)
        elif not self.reader.omitting:
            self.begun = self.begun if self.held else number
            self.continued(line)

    def continued(self, line: str) -> None:
        if not (line or self.held):
            return
        if self.held and self.held[-1].endswith((",", ":")):
            line = line.lstrip(SPACE)
        if "#" in line and ESCAPED_COMMENT.search(line):
            line = line.partition("#")[0].rstrip(SPACE)
        if line.endswith("\\"):
            self.held.append(line[:-1])
        else:
            text, self.held = "".join((*self.held, line)), []
            self.whole(text)

    def whole(self, text: str) -> None:
        if self.script:
            self.scripted(text)
        elif begin := EMBEDDED_BEGIN.fullmatch(text):
            if begin[2].strip(SPACE):
                raise BadRule(f"Invalid BEGIN {begin[1].upper()} directive")
            self.script = begin[1].upper()
        elif EMPTY_SCRIPT.fullmatch(text):
            raise BadRule("Perl Script failed")
        elif not INLINE_SCRIPT.match(text):
            text = text.partition("#")[0].rstrip(SPACE)
            if text:
                self.reader.entry(text)

    def scripted(self, text: str) -> None:
        """Skip the lines of an embedded script, which only the box can run."""
        end = END[self.script].fullmatch(text)
        if end:
            if end[2].strip(SPACE):
                raise BadRule(f"Invalid END {self.script} directive")
            self.script = ""

    def directive(self, line: str, number: int) -> None:
        match = DIRECTIVE.fullmatch(line)
        if match is None:
            raise BadRule(f"Invalid compiler directive ({line})")
        self.reader.session.spend(10 + 2 * len(line))
        keyword, text = match[1].strip().upper(), match[2].partition("#")[0].rstrip(SPACE)
        if keyword in ("IF", "ELSIF", "ELSE", "ENDIF"):
            getattr(self, f"directive_{keyword.lower()}")(text, number)
        elif not self.reader.omitting:
            check = getattr(self, f"directive_{keyword.rstrip('!').lower()}", None)
            if check is not None:
                check(text)

    def condition(self, text: str) -> bool | None:
        """Whether an expression is true; None if it depends on the box."""
        try:
            return is_true(self.reader.expression(text))
        except Undecided:
            return None

    def directive_if(self, text: str, number: int) -> None:
        if not text:
            raise BadRule("Missing IF expression")
        outer = self.reader.omitting
        holds = False if outer else self.condition(text)
        self.reader.conditions.append(Condition("IF", outer, holds is not False, number))
        self.reader.omitting = not holds

    def directive_elsif(self, text: str, number: int) -> None:
        condition = self.open("ELSIF")
        if text in ("", "0"):
            raise BadRule("Missing IF expression")
        if self.reader.omitting and not condition.taken:
            holds = False if condition.outer else self.condition(text)
            condition.taken = holds is not False
            self.reader.omitting = not holds
        else:
            self.reader.omitting = True
        condition.keyword = "ELSIF"

    def directive_else(self, text: str, number: int) -> None:
        if text:
            raise BadRule("Invalid ?ELSE")
        condition = self.open("ELSE")
        if not condition.outer:
            self.reader.omitting = condition.taken
        condition.keyword, condition.taken = "ELSE", True

    def open(self, keyword: str) -> Condition:
        conditions = self.reader.conditions
        if len(conditions) <= self.open_before or conditions[-1].keyword == "ELSE":
            raise BadRule(f"?{keyword} has no matching ?IF")
        return conditions[-1]

    def directive_endif(self, text: str, number: int) -> None:
        if text:
            raise BadRule("Invalid ?ENDIF")
        if len(self.reader.conditions) <= self.open_before:
            raise BadRule('Unexpected "?ENDIF" without matching ?IF or ?ELSE')
        self.reader.omitting = self.reader.conditions.pop().outer

    def directive_set(self, text: str) -> None:
        name, _, value = text.replace("\t", " ").partition(" ")
        if not text:
            raise BadRule("Missing SET variable")
        variable = self.variable(name, "SET")
        if not value.strip(SPACE):
            raise BadRule("Missing SET expression")
        try:
            self.reader.variables[variable] = perl_text(self.reader.expression(value.strip(SPACE)))
        except Undecided:
            self.reader.variables[variable] = None

    def directive_reset(self, text: str) -> None:
        if not text:
            raise BadRule("Missing RESET variable")
        self.reader.variables.pop(self.variable(text, "RESET"), None)

    @staticmethod
    def variable(text: str, keyword: str) -> str:
        if re.match(r"@(\d+|[a-zA-Z]\w*)", text, re.ASCII):
            raise BadRule(f"Shorewall variables may only be {keyword} in the body of an action")
        if not re.fullmatch(r"\$?[a-zA-Z]\w*", text, re.ASCII):
            raise BadRule(f"Invalid {keyword} variable ({text})")
        return text.removeprefix("$")

    @staticmethod
    def directive_format(text: str) -> None:
        raise BadRule("?FORMAT is not allowed in this file")

    def directive_error(self, text: str) -> None:
        with suppress(Undecided):
            text = self.reader.expanded(text, unknown=True)
        raise BadRule(text)

    @staticmethod
    def directive_require(text: str) -> None:
        raise BadRule("?REQUIRE may only be used within action files")
