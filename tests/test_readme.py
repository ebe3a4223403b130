"""What our pages say must be so: commands exist, links lead somewhere, numbers say when and where they were taken."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*/README.md"))]
TITLES = [str(page.relative_to(ROOT)) for page in PAGES]
DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")
MACHINE = re.compile(r"\b(?:v?CPUs?|cores?|GHz|Xeon|EPYC|Ryzen|Apple M\d)\b")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def code_of(text: str) -> str:
    """Give what a page sets as code: fenced blocks and inline code."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.S | re.M)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", rest)])


def make_targets(text: str) -> set[str]:
    """Name the targets that a page tells its reader to make."""
    return set(re.findall(r"^\s*(?:\$ )?make ([a-z]+)", code_of(text), re.M))


def desk_commands(text: str) -> set[str]:
    """Name the commands of the command line that a page tells its reader to give."""
    return set(re.findall(r"^\s*(?:\$ )?(?:\.venv/bin/)?updown ([a-z][a-z-]*)", code_of(text), re.M))


def dead_links(page: Path, text: str) -> list[str]:
    """List links that lead nowhere: files that are not there, headings that no page has. The net is not asked."""
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (heading and heading not in anchors(target.read_text())):
            dead.append(link)
    return dead


def anchors(text: str) -> set[str]:
    """Give the anchors that a Markdown page offers, made from its headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def orphan_tables(text: str) -> list[str]:
    """List tables of measured numbers without a date and a machine in the paragraph before or after them."""
    parts = re.split(r"\n\s*\n", text)
    orphans = []
    for index, part in enumerate(parts):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        if len(rows) < 3 or not any(_measured(row) for row in rows[2:]):
            continue
        around = "\n".join(parts[max(index - 1, 0) : index + 2])
        if not (DATE.search(around) and MACHINE.search(around)):
            orphans.append(rows[0])
    return orphans


def _measured(row: str) -> bool:
    """Say whether a row holds a number with a unit, or a cell that is nothing but a number."""
    return any(
        re.fullmatch(r"[~<>=≤≥+\-\s]*\d[\d,._]*\s*(?:%|[a-zA-Zµ/$]+)?(?: [\w/±.,]+)*", cell.strip())
        and not DATE.fullmatch(cell.strip())
        for cell in row.strip("|").split("|")
    )


def known_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("title", TITLES)
def test_every_command_that_a_page_gives_exists(title: str) -> None:
    assert make_targets((ROOT / title).read_text()) - known_targets() == set()


def test_the_front_page_gives_the_two_commands_of_a_newcomer() -> None:
    assert {"demo", "test"} <= make_targets((ROOT / "README.md").read_text())


def test_every_command_of_the_desk_that_a_page_gives_exists() -> None:
    named = {command for page in PAGES for command in desk_commands(page.read_text())}
    named |= set(re.findall(r"^\t\$\(UPDOWN\) ([a-z-]+)", (ROOT / "Makefile").read_text(), re.M))
    assert named, "neither the pages nor the Makefile name a command"
    told = subprocess.run(
        [sys.executable, "-m", "infra", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    offered = set(re.findall(r"^\W*([a-z][a-z-]*)", told.stdout, re.M))
    assert named - offered == set()


@pytest.mark.parametrize("title", TITLES)
def test_every_link_leads_somewhere(title: str) -> None:
    page = ROOT / title
    assert dead_links(page, page.read_text()) == []


@pytest.mark.parametrize("title", TITLES)
def test_every_table_of_numbers_says_when_and_on_what_machine(title: str) -> None:
    assert orphan_tables((ROOT / title).read_text()) == []


def test_every_target_of_the_makefile_says_what_it_is_for_and_needs_no_other_step() -> None:
    text = (ROOT / "Makefile").read_text()
    rules = re.findall(r"^([a-z]+):(?!=)(?! export)(.*)$", text, re.M)
    assert len(rules) > 10
    assert [target for target, rest in rules if "##" not in rest] == []
    free = {"help", "clean", "check"}
    assert [target for target, rest in rules if target not in free and "$(READY)" not in rest] == []


def test_the_rules_of_this_file_catch_what_they_are_for() -> None:
    page = ROOT / "README.md"
    assert make_targets("```\nmake nothing\n```\nand `make more`") == {"nothing", "more"}
    assert desk_commands("```\n.venv/bin/updown prove --all\n```") == {"prove"}
    assert dead_links(page, "[a](nowhere.md) [b](Makefile) [c](https://example.org) [d](#no-such)") == [
        "nowhere.md",
        "#no-such",
    ]
    table = "| what | figure |\n|---|---|\n| core | 5.2 M events/s |"
    assert orphan_tables(table) == ["| what | figure |"]
    assert orphan_tables(f"Measured 2026-11-22 on 2 cores.\n\n{table}") == []
    assert orphan_tables("| folder | question |\n|---|---|\n| state | what do we know? |") == []
